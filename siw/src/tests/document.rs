//! docs/ISA.md says what the code does.

use super::*;
use crate::table::{Access, Description, operations};

const DOCUMENT: &str = include_str!("../../../docs/ISA.md");

/// The operands of an operation, as the document writes them.
fn operands(description: &Description) -> String {
    let mut operands: Vec<String> = Vec::new();
    for register in description.registers {
        let letter = register.class.letter();
        operands.push(match register.access {
            Access::Write => format!("to {letter}"),
            Access::Accumulate => format!("into {letter}"),
            _ if !register.name.is_empty() => format!("[{}={letter}]", register.name),
            _ if register.optional => format!("[{letter}]"),
            _ => letter.to_string(),
        });
    }
    let Some(kind) = description.constant else {
        return operands.join(", ");
    };
    let mut constant = kind.to_string();
    if !description.lanes.is_empty() {
        let kinds: Vec<_> = description.lanes.iter().map(LaneKind::to_string).collect();
        constant = format!("{constant} ({})", kinds.join(", "));
    }
    let stands_for_register = description.registers.last().is_some_and(|r| r.optional);
    match operands.last_mut() {
        Some(last) if stands_for_register => {
            let letter = last.trim_matches(['[', ']']);
            *last = format!("{letter} or {constant}");
        }
        _ => operands.push(constant),
    }
    operands.join(", ")
}

fn row(description: &Description) -> String {
    let Description {
        opcode,
        mnemonic,
        doc,
        ..
    } = description;
    let functions: Vec<_> = description
        .functions
        .iter()
        .map(|f| format!("`{f}`"))
        .collect();
    let parts: Vec<_> = description.parts.iter().map(Part::to_string).collect();
    let mask = if description.masked { "yes" } else { "" };
    let cells = [
        opcode.to_string(),
        mnemonic.to_string(),
        functions.join(" "),
        operands(description),
        mask.to_owned(),
        parts.join(", "),
        doc.to_string(),
    ];
    format!("| {} |\n", cells.join(" | ")).replace("  ", " ")
}

fn table(pipe: Pipe) -> String {
    let head = "\
| opcode | operation | functions | operands | mask | parts | what |
|---|---|---|---|---|---|---|
";
    let rows: String = operations(pipe).iter().map(row).collect();
    format!("{head}{rows}")
}

#[test]
fn operations_are_those_of_the_tables() {
    for pipe in Pipe::ALL {
        let begin = format!("<!-- operations {pipe} -->\n");
        let (_, rest) = DOCUMENT.split_once(&begin).unwrap();
        let (found, _) = rest.split_once("<!-- end -->").unwrap();
        let expected = table(pipe);
        assert_eq!(found, expected, "docs/ISA.md should say:\n{expected}");
        for description in &operations(pipe)[1..] {
            let entry = format!("**{}**", description.mnemonic);
            assert!(DOCUMENT.contains(&entry), "{entry} is not explained");
        }
    }
}

#[test]
fn bytes_are_those_of_the_encoding() {
    let source = include_str!("../encoding/mod.rs");
    let rows: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! |"))
        .collect();
    assert!(rows.len() > 30);
    for row in rows {
        let row = format!("|{row}").replace(" in [`crate::table`]", "");
        assert!(DOCUMENT.contains(&row), "docs/ISA.md lacks:\n{row}");
    }
}

#[test]
fn examples_are_valid() {
    let examples: Vec<_> = DOCUMENT.split("```siw\n").skip(1).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        let (text, _) = example.split_once("```").unwrap();
        let assembly = assemble(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(validate(&assembly.stream), Ok(()), "{text}");
    }
}

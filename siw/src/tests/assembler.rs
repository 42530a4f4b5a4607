use super::random::stream;
use super::*;
use crate::assemble::Assembly;
use bytes::Bytes;
use proptest::prelude::*;

fn assembled(text: &str) -> Stream {
    assemble(text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .stream
}

proptest! {
    #[test]
    fn text_and_stream(stream in stream()) {
        prop_assert_eq!(&assembled(&stream.to_string()), &stream, "{}", stream);
    }

    #[test]
    fn bytes_to_text_to_bytes(stream in stream()) {
        let bytes = Bytes::from(stream.encode());
        let text = Stream::decode(&bytes).unwrap().to_string();
        prop_assert_eq!(assembled(&text).encode(), bytes);
    }

    /// Never panics; what it takes is what its own text gives.
    #[test]
    fn damaged_text(stream in stream(), damage in prop::collection::vec(any::<(u32, char)>(), 1..4)) {
        let mut text: Vec<char> = stream.to_string().chars().collect();
        for (at, with) in damage {
            let at = at as usize % text.len();
            match with as u32 % 3 {
                0 => text[at] = with,
                1 => text.insert(at, [' ', ',', '|', '.', '{', '"', '1', 'r'][at % 8]),
                _ => drop(text.remove(at)),
            }
        }
        let text: String = text.into_iter().collect();
        if let Ok(Assembly { stream, .. }) = assemble(&text) {
            prop_assert_eq!(assembled(&stream.to_string()), stream);
        }
    }
}

#[test]
fn a_text_by_hand() {
    let text = "\
; How many scrolls of the first shelf are longer than 100 bytes, and which?

.tier 2
.constant zero number 0          ; names are free
.constant hundred number 0x64
.constant c2 lanes range 1.1.1/1.1.1/1.1.1 1.1.1/1.1.1/1.1.9
.each
	SLANES p0, c2
	DLEN r1, p0 | SPREFCH.text p0
	DCMP.gt k1, r1, hundred
	DRED.sum r0, r1 {k1} | SGATHER.whole t0, p0 { k1 }
	CPACK m0, length=r1, coordinate=p0, text=t0
	CSEND.sink m0 {k1};to the client
.once
	DMOV r0,zero|SNOP|CNOP
.last
	CREDUCE.sum r0
	CPACK m1, number=r0
	CSEND.sink m1
";
    assert_eq!(assembled(text), survey());
}

/// A stream with a constant `x` of this kind and value, and the constant.
fn constant(kind_and_value: &str) -> Constant {
    assembled(&format!(".constant x {kind_and_value}\n"))
        .constants
        .remove(0)
}

#[test]
fn numbers() {
    for (text, expected) in [
        ("0", 0),
        ("18446744073709551615", u64::MAX),
        ("0xFf", 255),
        ("2.5", 2.5_f64.to_bits()),
        ("-3.0", (-3.0_f64).to_bits()),
        ("-0.0", (-0.0_f64).to_bits()),
        ("1e9", 1e9_f64.to_bits()),
        ("-inf", f64::NEG_INFINITY.to_bits()),
        ("nan", 0x7FF8_0000_0000_0000),
        ("-nan", 0x7FF8_0000_0000_0000),
    ] {
        assert_eq!(
            constant(&format!("number {text}")),
            Constant::Number(expected)
        );
    }
}

#[test]
fn texts() {
    let of = |texts: &[&'static [u8]]| {
        Constant::Texts(texts.iter().map(|&text| Bytes::from_static(text)).collect())
    };
    assert_eq!(constant("texts"), of(&[]));
    assert_eq!(constant("texts \"\""), of(&[b""]));
    assert_eq!(
        constant(r#"texts "a;b" "\t\r\n\'\"\\" "\x17\xfF" ; three"#),
        of(&[b"a;b", b"\t\r\n'\"\\", b"\x17\xff"])
    );
    let queries = |count, vectors: &[&'static str]| {
        let vectors = vectors.iter().map(|&vector| vector.into()).collect();
        Constant::Queries(Queries { count, vectors })
    };
    assert_eq!(constant(r#"queries 0"#), queries(0, &[]));
    assert_eq!(
        constant(r#"queries 7 "O~" "PN""#),
        queries(7, &["O~", "PN"])
    );
    assert_eq!(
        constant("text \"gr\u{fc}n\""),
        Constant::Text("gr\u{fc}n".into())
    );
}

#[test]
fn lines_of_errors() {
    let text = "\
.constant all lanes all

.each
SLANES p0, all
; r1 has no value
DADD.u64 r2, r1, r1
";
    let assembly = assemble(text).unwrap();
    let error = validate(&assembly.stream).unwrap_err();
    assert_eq!(assembly.line(error.site), Some(6), "{error}");
    assert_eq!(assembly.line(Site::Constant(ConstantId(0))), Some(1));
    assert_eq!(assembly.line(Site::Stream), None);
}

/// `line` comes after a head of four lines with constants `n`, a number, `all`, lanes, and `s`, a text.
fn check(line: &str, column: usize, expected: &str) {
    let head = ".constant n number 1\n.constant all lanes all\n.constant s text \"\"\n.each\n";
    let error = assemble(&format!("{head}{line}\n")).unwrap_err();
    let expected = format!("line 5, column {column}: {expected}");
    assert_eq!(error.to_string(), expected, "{line}");
}

#[test]
fn errors_in_words() {
    let register = "a register r0 to r15";
    let number = "the name of a constant of kind number";
    for (line, column, expected) in [
        ("DAD r0", 1, "an operation of pipe D or S or C, found `DAD`"),
        (
            "DNOP | DNOP",
            8,
            "an operation of pipe S or C, found `DNOP`",
        ),
        (
            "CNOP | DNOP",
            8,
            "the end of the line: a word has one operation a pipe, found `DNOP`",
        ),
        ("DADD r0", 6, "one of .u64, .f64, found `r0`"),
        ("DADD.u32 r0", 5, "one of .u64, .f64, found `.u32`"),
        (
            "DADD.u64 r0",
            12,
            &format!("{register}, found the end of the line"),
        ),
        ("DADD.u64 r0 r1, r2", 13, "`,`, found `r1`"),
        ("DADD.u64 r0, r1 r2", 17, "`,`, found `r2`"),
        (
            "DADD.u64 r0, r1 ; no more",
            17,
            &format!("{register} or {number}, found the end of the line"),
        ),
        (
            "DADD.u64 r0, r1, k1",
            18,
            &format!("{register} or {number}, found `k1`"),
        ),
        (
            "DADD.u64 r0, r1, r16",
            18,
            &format!("{register} or {number}, found `r16`"),
        ),
        (
            "DADD.u64 r0, r1, m",
            18,
            &format!("{register} or {number}, found `m`"),
        ),
        ("DADD.u64 r0, n, r1", 14, &format!("{register}, found `n`")),
        (
            "DADD.u64 r0, r1, n, r2",
            21,
            "the end of the operation, found `r2`",
        ),
        (
            "DADD.u64 r0, r1, r2, r3",
            22,
            &format!("{number}, found `r3`"),
        ),
        (
            "DADD.u64 r0, r1, r2 {k0}",
            22,
            "no mask: DADD takes none, found `k0}`",
        ),
        ("DLEN r0, p0 {r1}", 14, "a register k0 to k3, found `r1}`"),
        ("DLEN r0, p0 {k1", 16, "`}`, found the end of the line"),
        ("DLEN r0 p0", 9, "`,`, found `p0`"),
        (
            "DRED.count r0, r1",
            1,
            "DRED.count with its own operands only, found `DRED.count`",
        ),
        ("DRED.sum r0 {k0}", 13, "a register r0 to r15, found `{k0}`"),
        (
            "SLANES p0",
            10,
            "the name of a constant of kind lanes, found the end of the line",
        ),
        (
            "CPACK m0, r1",
            11,
            "a field: coordinate=, text=, length=, checksum_low=, checksum_high=, number=, found `r1`",
        ),
        (
            "CPACK m0, length=p1",
            18,
            "a register r0 to r15, found `p1`",
        ),
        (
            "CPACK m0, length=r1, length=r2",
            22,
            "a field: coordinate=, text=, checksum_low=, checksum_high=, number=, found `length=r2`",
        ),
        ("SFLUSH p0", 8, "the end of the operation, found `p0`"),
        ("SFLUSH\u{1}", 7, "the end of the operation, found `\\u{1}`"),
    ] {
        check(line, column, &format!("expected {expected}"));
    }
}

#[test]
fn errors_in_directives() {
    let names = "expected `.tier`, `.constant`, `.once`, `.each` or `.last`";
    for (line, column, expected) in [
        (".start", 2, &*format!("{names}, found `start`")),
        (".each", 2, ".each comes once"),
        (".tier 4", 7, "expected a tier, 0 to 3, found `4`"),
        (
            ".constant r1 number 1",
            11,
            "expected a name for the constant, which is no register, found `r1`",
        ),
        (".constant n number 1", 11, "there is a constant n already"),
        (
            ".constant x word",
            13,
            "expected a kind of constant: number, coordinate, lanes, texts, text or queries, found `word`",
        ),
        (
            ".constant x number -3",
            20,
            "expected an integer below 2^64, or a double such as -3.0 or 1e9, found `-3`",
        ),
        (
            ".constant x lanes some",
            19,
            "expected lanes: all, range, points, union, region or nearest, found `some`",
        ),
        (
            ".constant x text \"a",
            20,
            "expected the `\"` that ends the text, found the end of the line",
        ),
        (
            ".constant x text \"\\e\"",
            20,
            "expected an escape: \\t \\r \\n \\' \\\" \\\\ or \\xNN, found `e\\\"`",
        ),
        (
            ".constant x text a",
            18,
            "expected a text in double quotes, found `a`",
        ),
        (
            ".constant x text \"a\" \"b\"",
            22,
            "expected the end of the line, found `\\\"b\\\"`",
        ),
        (
            ".constant x lanes region 1.*.x",
            30,
            "expected the series (a number, `*`, a range, a set in braces, or `**`), found `x`",
        ),
        (
            ".constant x lanes region {2,9-1}.**",
            29,
            "the range 9-1 ends before it begins",
        ),
        (
            ".constant x lanes region 1.1.1.1 ; a comment",
            31,
            "expected `/` and the collection, found `.`",
        ),
        (
            ".constant x lanes region ; a comment",
            26,
            "expected the library (a number, `*`, a range, a set in braces, or `**`), found the end",
        ),
        (
            ".constant x lanes nearest 5 at",
            29,
            "expected `to`, found `at`",
        ),
        (
            ".constant x lanes nearest 5 to 1.1.1/1.1.1/1.1.1 by foot",
            53,
            "expected a metric: chebyshev, manhattan or weighted, found `foot`",
        ),
        (
            ".constant x lanes nearest 5 to 1.1.1/1.1.1/1.1.1 by weighted [1, 2]",
            67,
            "expected `,`: there are nine weights, found `]`",
        ),
    ] {
        check(line, column, expected);
    }
    let error = assemble("DNOP").unwrap_err();
    let expected = format!("line 1, column 1: {names}: words come after their part, found `DNOP`");
    assert_eq!(error.to_string(), expected);
    let error = assemble(".constant x coordinate 1.1.1/1.1.1").unwrap_err();
    assert_eq!((error.line, error.column), (1, 24), "{error}");
}

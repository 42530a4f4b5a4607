use super::*;

fn check(stream: &Stream, expected: &str) {
    // Columns are padded; their width is not what the snapshots are about.
    let mut text = String::new();
    for line in stream.to_string().lines() {
        let words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
        text += &words.join(" ");
        text.push('\n');
    }
    assert_eq!(text, expected);
}

#[test]
fn one_word_a_line() {
    check(
        &survey(),
        "\
.tier 2
.constant c0 number 0
.constant c1 number 100
.constant c2 lanes range 1.1.1/1.1.1/1.1.1 1.1.1/1.1.1/1.1.9
.once
DMOV r0, c0 | SNOP | CNOP
.each
DNOP | SLANES p0, c2 | CNOP
DLEN r1, p0 | SPREFCH.text p0 | CNOP ; deps 1
DCMP.gt k1, r1, c1 | SNOP | CNOP ; deps 1
DRED.sum r0, r1 {k1} | SGATHER.whole t0, p0 {k1} | CNOP ; deps 1
DNOP | SNOP | CPACK m0, coordinate=p0, text=t0, length=r1 ; deps 1
DNOP | SNOP | CSEND.sink m0 {k1} ; deps 1
.last
DNOP | SNOP | CREDUCE.sum r0
DNOP | SNOP | CPACK m1, number=r0 ; deps 1
DNOP | SNOP | CSEND.sink m1 ; deps 1
",
    );
    check(
        &writer(),
        "\
.tier 1
.constant c0 lanes points 1.1.1/1.1.1/1.1.7 1.1.1/1.1.1/1.1.2
.constant c1 texts \"seven\\x1b\" \"\\\"two\\\"\"
.each
DNOP | SLANES p0, c0 | CNOP
DNOP | SSCATTR.put p0, c1 | CNOP ; deps 1
.last
DNOP | SFLUSH | CNOP
",
    );
}

#[test]
fn columns_align() {
    let text = survey().to_string();
    let words = text.lines().filter(|line| line.contains('|'));
    let columns: Vec<_> = words
        .map(|line| {
            line.match_indices('|')
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(columns.iter().all(|row| *row == columns[0]), "{text}");
}

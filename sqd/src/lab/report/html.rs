//! `report.html`: the plots and the tables, in one file that needs no other.

use super::{Drawn, Report, markdown};
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:1220px;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;font-size:12.5px;margin:.6em 0;display:block;overflow-x:auto}\
td,th{border:1px solid #ccc;padding:2px 7px;text-align:right;white-space:nowrap}\
td:first-child,th:first-child{text-align:left}\
.text td,.text th{white-space:normal;text-align:left}\
svg{max-width:100%;height:auto;display:block;margin:1em 0}\
details{margin:1em 0}summary{cursor:pointer}";

/// The report as a page with plots.
pub(super) fn page(report: &Report, drawn: &Drawn) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_page(report, drawn, &mut out);
    out
}

fn write_page(report: &Report, drawn: &Drawn, out: &mut String) -> std::fmt::Result {
    let title = escape(&format!("Locality of {}", report.data));
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escape(&markdown::summary(report))
    )?;
    for plot in &drawn.plots {
        write!(out, "<h2>{}</h2>\n{}\n", escape(&plot.title), plot.svg)?;
    }
    out.push_str("<details><summary>All figures</summary>\n");
    write_tables(&markdown::page(report), out)?;
    out.push_str("</details>\n</body></html>\n");
    Ok(())
}

/// The headings, paragraphs and tables of the report's other page.
fn write_tables(page: &str, out: &mut String) -> std::fmt::Result {
    let mut lines = page.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("### ") {
            writeln!(out, "<h4>{}</h4>", escape(heading))?;
        } else if let Some(heading) = line.strip_prefix("## ") {
            writeln!(out, "<h3>{}</h3>", escape(heading))?;
        } else if line.starts_with('|') {
            let class = if line.starts_with("| figure") {
                " class=\"text\""
            } else {
                ""
            };
            write!(out, "<table{class}><tr>")?;
            write_row(line, "th", out)?;
            // The line under the head only divides.
            lines.next();
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                out.push_str("<tr>");
                write_row(row, "td", out)?;
            }
            out.push_str("</table>\n");
        } else if !line.is_empty() {
            writeln!(out, "<p>{}</p>", escape(line))?;
        }
    }
    Ok(())
}

fn write_row(row: &str, tag: &str, out: &mut String) -> std::fmt::Result {
    let cells = row.trim_matches('|').split(" | ");
    for cell in cells {
        write!(out, "<{tag}>{}</{tag}>", escape(cell.trim()))?;
    }
    out.push_str("</tr>\n");
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_become_tables() {
        let mut out = String::new();
        let page =
            "# Title\n\nOne & two.\n\n## Head\n\n| a | b |\n|---|---|\n| 1 | <2> |\n\nEnd.\n";
        write_tables(page, &mut out).unwrap();
        assert_eq!(
            out,
            "<p>One &amp; two.</p>\n<h3>Head</h3>\n<table><tr><th>a</th><th>b</th></tr>\n\
             <tr><td>1</td><td>&lt;2&gt;</td></tr>\n</table>\n<p>End.</p>\n"
        );
    }
}

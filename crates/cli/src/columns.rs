//! Rows of texts as aligned columns.

use crate::colour::Colour;

/// Space between two columns.
const GAP: &str = "  ";

/// A table with a head. An empty text is shown as `-`; `style` says in which ANSI style a cell is painted (row, column), empty
/// for none.
pub(crate) fn table(
    head: &[&str],
    rows: &[Vec<String>],
    colour: Colour,
    style: impl Fn(usize, usize) -> &'static str,
) -> String {
    let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|text| shown(text)).collect()).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count());
            cells.chain([head[column].chars().count()]).max().unwrap_or_default()
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = (String, &'static str)>| {
        let mut line = String::new();
        for (column, (text, style)) in cells.enumerate() {
            let width = widths.get(column).copied().unwrap_or_default();
            let fill = width.saturating_sub(text.chars().count());
            let last = column + 1 == widths.len();
            line.push_str(&if style.is_empty() { text } else { colour.paint(style, &text) });
            if !last {
                line.push_str(&" ".repeat(fill));
                line.push_str(GAP);
            }
        }
        line.push('\n');
        line
    };
    let mut out = line(&mut head.iter().map(|text| ((*text).to_owned(), "1")));
    for (number, row) in rows.iter().enumerate() {
        out.push_str(&line(
            &mut row.iter().enumerate().map(|(column, text)| (text.clone(), style(number, column))),
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [vec!["a".to_owned(), String::new()], vec!["longer".to_owned(), "x".to_owned()]];
        let text = table(&["NAME", "V"], &rows, Colour::NEVER, |_, _| "31");
        assert_eq!(text, "NAME    V\na       -\nlonger  x\n");
    }
}

//! Text for a person: tables whose columns are as wide as they must be, and nothing that gives
//! orders to the terminal.

/// A table with a line of headings; the columns named in `right` are aligned to the right.
pub(crate) fn table(headings: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        longest.max(headings[column].chars().count())
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let headings = headings
        .iter()
        .map(|heading| (*heading).to_owned())
        .collect();
    let mut page = String::new();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let cell = if right.contains(&column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            };
            line.push_str(&cell);
            line.push_str("  ");
        }
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page
}

/// The text without control characters, which names and messages of others may hold.
pub(crate) fn plain(text: &str) -> String {
    let wrong = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    text.replace(wrong, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["1".to_owned(), "long name".to_owned(), "x".to_owned()],
            vec!["22".to_owned(), String::new(), "y".to_owned()],
        ];
        let page = table(&["#", "NAME", "LAST"], &[0], &rows);
        assert_eq!(
            page,
            " #  NAME       LAST\n 1  long name  x\n22             y\n"
        );
    }

    #[test]
    fn nothing_gives_orders_to_the_terminal() {
        assert_eq!(
            plain("a\x1b[2Jb\r\u{9b}c\n\td"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\n\td"
        );
    }
}

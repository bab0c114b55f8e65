//! A table of text cells, as aligned text or as Markdown.

/// Columns under a header; the first holds the row's name.
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: impl IntoIterator<Item = String>) -> Self {
        Self { header: header.into_iter().map(|cell| one_line(&cell)).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }

    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    pub(crate) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Aligned text; columns that don't fit into `width` characters follow below, under the row names again.
    pub(crate) fn text(&self, width: usize) -> String {
        let widths: Vec<usize> = (0..self.header.len()).map(|column| self.column_width(column)).collect();
        let mut blocks = Vec::new();
        let mut columns = 1..1;
        while columns.end < widths.len() {
            let mut used = widths[0];
            columns = columns.end..columns.end;
            while columns.end < widths.len() {
                used += GAP.len() + widths[columns.end];
                if used > width && !columns.is_empty() {
                    break;
                }
                columns.end += 1;
            }
            blocks.push(self.block(&widths, columns.clone()));
        }
        blocks.join("\n")
    }

    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<_> =
                cells.iter().map(|cell| cell.replace('\\', "\\\\").replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = format!("|:---|{}\n", "---:|".repeat(self.header.len().saturating_sub(1)));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.header) + &rule + &rows
    }

    fn column_width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.chain(self.header.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    fn block(&self, widths: &[usize], columns: std::ops::Range<usize>) -> String {
        let line = |cells: &Vec<String>| {
            let empty = String::new();
            let cell = |column: usize| cells.get(column).unwrap_or(&empty);
            let mut line = format!("{:<1$}", cell(0), widths[0]);
            for column in columns.clone() {
                line.push_str(GAP);
                line.push_str(&format!("{:>1$}", cell(column), widths[column]));
            }
            line.truncate(line.trim_end().len());
            line.push('\n');
            line
        };
        std::iter::once(&self.header).chain(&self.rows).map(line).collect()
    }
}

const GAP: &str = "  ";

/// Names come from the caller's files: a line break or an escape code in one must not reach the terminal.
pub(crate) fn one_line(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `text` in lines of at most `width` characters, broken at spaces.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 {
            let fits = used + 1 + length <= width;
            out.push(if fits { ' ' } else { '\n' });
            used = if fits { used + 1 } else { 0 };
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let cells = |cells: [&str; 3]| cells.map(str::to_owned);
        let mut table = Table::new(cells(["", "a|b", "second"]));
        table.row(cells(["first\nrow", "1", "–"]));
        table.row(cells(["x", "100", "2"]));
        table
    }

    #[test]
    fn text_is_aligned_and_wrapped_by_column() {
        assert_eq!(
            table().text(80),
            "           a|b  second\nfirst row    1       –\nx          100       2\n"
        );
        assert_eq!(
            table().text(14),
            "           a|b\nfirst row    1\nx          100\n\n           second\nfirst row       –\nx               2\n"
        );
    }

    #[test]
    fn text_is_wrapped_at_spaces() {
        assert_eq!(wrapped("one two  three\nfour", 8), "one two\nthree\nfour\n");
        assert_eq!(wrapped("", 8), "\n");
    }

    #[test]
    fn markdown_is_escaped() {
        assert_eq!(
            table().markdown(),
            "|  | a\\|b | second |\n|:---|---:|---:|\n| first row | 1 | – |\n| x | 100 | 2 |\n"
        );
    }
}

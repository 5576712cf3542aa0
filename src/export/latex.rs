//! LaTeX: a table with the rules of booktabs, its text escaped.
//!
//! Owns the layouts in which tables of results go into a paper: which columns, under which headings, rounded how. Any
//! other table, or one with chosen columns, is a longtable of its columns as they are. All rows are kept until the end,
//! because a column that is the same in all of them is left out of a layout.

use std::fmt::Write as _;
use std::io::Write;

use super::{Document, ExportError};
use crate::table::{Cell, Column, ColumnKind};
use crate::visible::is_obeyed;

/// How a table of results is laid out.
struct Layout {
    table: &'static str,
    caption: &'static str,
    columns: &'static [LayoutColumn],
}

/// A column of a layout.
struct LayoutColumn {
    heading: &'static str,
    content: Content,
    /// True if it is shown even where it is the same in all rows.
    is_always: bool,
}

/// The content of a column of a layout.
enum Content {
    /// The text of a column, or this text where there is none.
    Text(&'static str, &'static str),
    /// A number with so many decimals.
    Number(&'static str, usize),
    /// Two numbers with so many decimals: the ends of an interval.
    Interval([&'static str; 2], usize),
}

const RATES: Layout = Layout {
    table: "rates",
    caption: "Mean Leak-Rate in percent; a word in the slot that changes nothing gives 50. Pairs are repeats of prompt pairs, a tie counts one half. \
        The 95 % interval takes all pairs that share a control prompt as one cluster (CR2, Satterthwaite).",
    columns: &[
        column("Experiment", Content::Text("experiment", ""), false),
        column("Metric", Content::Text("metric", ""), false),
        column("Seed", Content::Number("seed", 0), false),
        column("Model", Content::Text("model", ""), true),
        column("Quantization", Content::Text("quantization", ""), true),
        column("Bits/weight", Content::Number("bits_per_weight", 2), true),
        column("Sampling", Content::Text("sampling", ""), false),
        column("Wording", Content::Text("wording", ""), false),
        column("Category", Content::Text("category", "all"), true),
        column("Rate", Content::Number("mean_leak_rate", 1), true),
        column(
            "95 % interval",
            Content::Interval(["interval_lower", "interval_upper"], 1),
            true,
        ),
        column("Pairs", Content::Number("n_pairs", 0), true),
        column("Tied", Content::Number("n_tied", 0), true),
        column("Echoes", Content::Number("n_echoes", 0), true),
    ],
};

const COMPARISONS: Layout = Layout {
    table: "comparisons",
    caption: "Differences of the Mean Leak-Rate, other minus base, in percentage points, paired by prompt with repeats \
        averaged. The 95 % interval and the p-value (sign flips, Holm-corrected over all comparisons with the same base) \
        take all prompts that share a control prompt as one cluster. Flips count repeats whose verdict changes.",
    columns: &[
        column("Experiment", Content::Text("experiment", ""), false),
        column("Metric", Content::Text("metric", ""), false),
        column("Seed", Content::Number("seed", 0), false),
        column("Base", Content::Text("base_model", ""), false),
        column(
            "Base quantization",
            Content::Text("base_quantization", ""),
            true,
        ),
        column("Base sampling", Content::Text("base_sampling", ""), false),
        column("Base wording", Content::Text("base_wording", ""), false),
        column("Other", Content::Text("other_model", ""), false),
        column(
            "Other quantization",
            Content::Text("other_quantization", ""),
            true,
        ),
        column("Other sampling", Content::Text("other_sampling", ""), false),
        column("Other wording", Content::Text("other_wording", ""), false),
        column("Difference", Content::Number("difference", 1), true),
        column(
            "95 % interval",
            Content::Interval(["interval_lower", "interval_upper"], 1),
            true,
        ),
        column("p (Holm)", Content::Number("holm_p_value", 3), true),
        column("Prompts", Content::Number("n_prompts", 0), true),
        column("To leak", Content::Number("n_to_leak", 0), true),
        column("To no leak", Content::Number("n_to_no_leak", 0), true),
    ],
};

const LAYOUTS: &[Layout] = &[RATES, COMPARISONS];

const fn column(heading: &'static str, content: Content, is_always: bool) -> LayoutColumn {
    LayoutColumn {
        heading,
        content,
        is_always,
    }
}

/// A LaTeX document: one table.
pub(super) struct Latex<W: Write> {
    out: W,
    table: String,
    layout: Option<&'static Layout>,
    names: Vec<String>,
    are_numbers: Vec<bool>,
    /// Escaped, by row and column.
    rows: Vec<Vec<String>>,
}

impl<W: Write> Latex<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            table: String::new(),
            layout: None,
            names: Vec::new(),
            are_numbers: Vec::new(),
            rows: Vec::new(),
        }
    }
}

impl<W: Write> Document for Latex<W> {
    fn begin(&mut self, table: &str, columns: &[Column]) -> Result<(), ExportError> {
        table.clone_into(&mut self.table);
        self.names = columns.iter().map(|column| column.name.clone()).collect();
        let has = |name: &str| self.names.iter().any(|known| known == name);
        self.layout = LAYOUTS
            .iter()
            .find(|layout| layout.table == table && layout.sources().all(&has));
        self.are_numbers = match self.layout {
            Some(layout) => layout.columns.iter().map(LayoutColumn::is_number).collect(),
            None => columns
                .iter()
                .map(|column| column.kind != ColumnKind::Text)
                .collect(),
        };
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        let row = match self.layout {
            Some(layout) => layout
                .columns
                .iter()
                .map(|column| column.text(&self.names, cells))
                .collect(),
            None => cells.iter().map(plain).collect(),
        };
        self.rows.push(row);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        let text = match self.layout {
            Some(layout) => self.table_text(layout),
            None => self.longtable_text(),
        };
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}

impl<W: Write> Latex<W> {
    fn table_text(&self, layout: &Layout) -> String {
        let varies = |idx: usize| self.rows.iter().any(|row| row[idx] != self.rows[0][idx]);
        let columns = layout.columns.iter().enumerate();
        let kept: Vec<usize> = columns
            .filter(|(idx, column)| column.is_always || varies(*idx))
            .map(|(idx, _)| idx)
            .collect();
        let headings = kept.iter().map(|&idx| escape(layout.columns[idx].heading));
        let headings: Vec<String> = headings.collect();
        format!(
            "% Needs \\usepackage{{booktabs}}.\n\\begin{{table}}\n\\centering\n\\caption{{{}}}\n\\label{{tab:{}}}\n\
             \\begin{{tabular}}{{{}}}\n\\toprule\n{} \\\\\n\\midrule\n{}\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n",
            escape(layout.caption),
            self.table,
            self.alignment(&kept),
            headings.join(" & "),
            self.body(&kept)
        )
    }

    fn longtable_text(&self) -> String {
        let all: Vec<usize> = (0..self.names.len()).collect();
        let headings: Vec<String> = self.names.iter().map(|name| escape(name)).collect();
        format!(
            "% Needs \\usepackage{{booktabs,longtable}}; texts beyond Latin letters need LuaLaTeX or XeLaTeX.\n\
             \\begin{{longtable}}{{{}}}\n\\toprule\n{} \\\\\n\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n{}\\end{{longtable}}\n",
            self.alignment(&all),
            headings.join(" & "),
            self.body(&all)
        )
    }

    fn alignment(&self, columns: &[usize]) -> String {
        let letter = |&idx: &usize| if self.are_numbers[idx] { 'r' } else { 'l' };
        columns.iter().map(letter).collect()
    }

    fn body(&self, columns: &[usize]) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<&str> = columns.iter().map(|&idx| row[idx].as_str()).collect();
            writeln!(text, "{} \\\\", cells.join(" & ")).expect("writing to a string cannot fail");
        }
        text
    }
}

impl Layout {
    /// The columns of the table that are needed.
    fn sources(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().flat_map(|column| match column.content {
            Content::Text(name, _) | Content::Number(name, _) => vec![name],
            Content::Interval(names, _) => names.to_vec(),
        })
    }
}

impl LayoutColumn {
    fn is_number(&self) -> bool {
        !matches!(self.content, Content::Text(..))
    }

    fn text(&self, names: &[String], cells: &[Cell<'_>]) -> String {
        let cell = |name: &str| {
            let idx = names.iter().position(|known| known == name);
            &cells[idx.expect("a layout is chosen where its columns are there")]
        };
        match self.content {
            Content::Text(name, absent) => match cell(name) {
                Cell::Null => escape(absent),
                cell => plain(cell),
            },
            Content::Number(name, decimals) => number(cell(name), decimals),
            Content::Interval([lower, upper], decimals) => match (cell(lower), cell(upper)) {
                (Cell::Null, _) | (_, Cell::Null) => "none".to_owned(),
                (lower, upper) => {
                    format!("{} to {}", number(lower, decimals), number(upper, decimals))
                }
            },
        }
    }
}

fn number(cell: &Cell<'_>, decimals: usize) -> String {
    match cell {
        Cell::Real(number) => signed(&format!("{number:.decimals$}")),
        cell => plain(cell),
    }
}

fn plain(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(number) => signed(&number.to_string()),
        Cell::Real(number) => signed(&format!("{number:?}")),
        Cell::Text(text) => escape(text),
    }
}

/// A number with a minus sign rather than a hyphen.
fn signed(number: &str) -> String {
    if number.contains('-') {
        format!("${number}$")
    } else {
        number.to_owned()
    }
}

/// The text with every character that LaTeX takes for something else made harmless.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            // Two hyphens or quotes in a row, or a quote behind some marks, become another character.
            '-' | '\'' if before == Some(c) => escaped.extend(['{', c, '}']),
            '`' | '"' => escaped.extend(['{', c, '}']),
            // At the start of a row these would belong to the end of the row before.
            '[' | '*' => escaped.extend(['{', c, '}']),
            c if is_obeyed(c) => {
                write!(escaped, "\\texttt{{U+{:04X}}}", u32::from(c))
                    .expect("writing to a string cannot fail");
            }
            c => escaped.push(c),
        }
        before = Some(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture::{ROWS, columns, write};

    #[test]
    fn text_is_escaped() {
        let written = write(|out| Box::new(Latex::new(out)), &columns(), ROWS);
        let expected = r#"% Needs \usepackage{booktabs,longtable}; texts beyond Latin letters need LuaLaTeX or XeLaTeX.
\begin{longtable}{rrl}
\toprule
id & similarity & text \\
\midrule
\endhead
\bottomrule
\endfoot
1 & 0.1 & plain \\
$-2$ & $1e-30$ & a {"}quote{"}, a comma \\
 &  &  \\
9223372036854775807 & $-0.5$ & two\texttt{U+000A}lines \\
5 & 50.0 & =1+1 \\
6 & 0.0 & \&\textless{}\%\$\#\_\{\}\textasciitilde{}\textasciicircum{}\textbackslash{} \texttt{U+202E}naïve\texttt{U+0000} \\
\end{longtable}
"#;
        assert_eq!(written, expected);
    }

    #[test]
    fn characters_that_join_are_kept_apart() {
        assert_eq!(escape("a-b--c ''d'"), "a-b-{-}c '{'}d'");
        assert_eq!(escape("[1] *"), "{[}1] {*}");
    }

    fn rates_columns() -> Vec<Column> {
        crate::table::described_columns("rates")
    }

    #[test]
    fn layouts_use_columns_that_there_are() {
        for layout in LAYOUTS {
            let columns = crate::table::described_columns(layout.table);
            for source in layout.sources() {
                let is_there = columns.iter().any(|column| column.name == source);
                assert!(is_there, "{} {source}", layout.table);
            }
        }
    }

    #[test]
    fn rates_are_laid_out() {
        let columns = rates_columns();
        let row =
            |seed: i64, category: Option<&'static str>, lower: Option<f64>| -> Vec<Cell<'static>> {
                let known = |name: &str| match name {
                    "experiment" => Cell::Text("colors"),
                    "metric" => Cell::Text("sbert"),
                    "model" => Cell::Text("qwen2.5_0.5b"),
                    "quantization" => Cell::Text("Q4_K_M"),
                    "seed" => Cell::Integer(seed),
                    "category" => Cell::opt_text(category),
                    "bits_per_weight" => Cell::Real(6.162),
                    "mean_leak_rate" => Cell::Real(58.333),
                    "interval_lower" => Cell::opt_real(lower),
                    "interval_upper" => Cell::Real(62.25),
                    _ => Cell::Integer(7),
                };
                columns.iter().map(|column| known(&column.name)).collect()
            };
        let mut bytes = Vec::new();
        let mut document = Latex::new(&mut bytes);
        document.begin("rates", &columns).unwrap();
        document.row(&row(1, None, Some(54.4))).unwrap();
        document.row(&row(2, Some("a&b"), None)).unwrap();
        document.finish().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (_, tabular) = text.split_once("\\begin{tabular}").unwrap();
        let expected = r"{rllrlrrrrr}
\toprule
Seed & Model & Quantization & Bits/weight & Category & Rate & 95 \% interval & Pairs & Tied & Echoes \\
\midrule
1 & qwen2.5\_0.5b & Q4\_K\_M & 6.16 & all & 58.3 & 54.4 to 62.2 & 7 & 7 & 7 \\
2 & qwen2.5\_0.5b & Q4\_K\_M & 6.16 & a\&b & 58.3 & none & 7 & 7 & 7 \\
\bottomrule
\end{tabular}
\end{table}
";
        assert_eq!(tabular, expected);
    }
}

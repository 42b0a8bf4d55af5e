//! Faults as people read them: the line, a caret under what is wrong, and what is allowed.

use std::{collections::BTreeMap, fmt};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, Severity, SourceCode, SourceSpan, SpanContents, ThemeCharacters,
    ThemeStyles,
};

use crate::fault::{Fault, Faults, Location};

/// Columns after which messages are wrapped.
const WIDTH: usize = 100;

/// Anything above zero asks [`Lines`] for whole lines; zero asks for a place's line and column.
const CONTEXT: usize = 1;

/// How faults are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Characters alone, for files, pipes and readers who want no color.
    #[default]
    Plain,
    /// With the sixteen colors that every terminal has.
    Color,
}

impl Faults {
    /// Draws every fault with its line and a caret. ASCII apart from what the files hold.
    pub fn render(&self, style: Style) -> String {
        let styles = match style {
            Style::Plain => ThemeStyles::none(),
            Style::Color => ThemeStyles::ansi(),
        };
        let theme = GraphicalTheme { characters: ThemeCharacters::ascii(), styles };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(WIDTH)
            .with_context_lines(CONTEXT)
            .with_show_related_as_nested(true)
            .without_syntax_highlighting();
        let shown: BTreeMap<_, _> = self
            .sources
            .iter()
            .map(|source| (source.name.as_str(), printable(&source.text)))
            .collect();
        let mut text = String::new();
        for (index, fault) in self.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            let drawn = handler.render_report(&mut text, &Snippet::of(fault, &shown));
            if drawn.is_err() {
                // The place can't be drawn; the line that names it always can.
                text.push_str(&fault.to_string());
                text.push('\n');
            }
        }
        if self.omitted > 0 {
            text.extend(["\nand ", &self.omitted.to_string(), " more\n"]);
        }
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        let mut text = lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

/// One file's part of a fault.
#[derive(Debug)]
struct Snippet<'a> {
    code: Option<&'static str>,
    message: String,
    help: Option<String>,
    severity: Severity,
    source: Option<Lines<'a>>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Self>,
}

impl<'a> Snippet<'a> {
    fn of(fault: &Fault, shown: &'a BTreeMap<&str, String>) -> Self {
        let mut labels = vec![label(&fault.at, None)];
        let mut elsewhere = Vec::new();
        for related in &fault.related {
            if related.at.file == fault.at.file {
                labels.push(label(&related.at, Some(related.message.clone())));
            } else {
                elsewhere.push(Self {
                    code: None,
                    message: related.message.clone(),
                    help: None,
                    severity: Severity::Advice,
                    source: named(&related.at, shown),
                    labels: vec![label(&related.at, None)],
                    elsewhere: Vec::new(),
                });
            }
        }
        let source = named(&fault.at, shown);
        let message = if source.is_some() {
            fault.message.clone()
        } else {
            labels.clear();
            format!("{}: {}", fault.at.file, fault.message)
        };
        Self {
            code: Some(fault.code.as_str()),
            message,
            help: fault.help.clone(),
            severity: Severity::Error,
            source,
            labels,
            elsewhere,
        }
    }
}

/// The text of a place; none when there is nothing to show, as for a file that can't be read.
fn named<'a>(at: &Location, shown: &'a BTreeMap<&str, String>) -> Option<Lines<'a>> {
    let text = shown.get(at.file.as_str()).filter(|text| !text.is_empty())?;
    Some(Lines { name: at.file.clone(), text })
}

/// A file that shows the whole lines of a place, and no others.
#[derive(Debug)]
struct Lines<'a> {
    name: String,
    text: &'a str,
}

impl SourceCode for Lines<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_before: usize,
        _context_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset() + span.len();
        let before = self.text.get(..span.offset()).ok_or(MietteError::OutOfBounds)?;
        let after = self.text.get(end..).ok_or(MietteError::OutOfBounds)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = after.find('\n').map_or(self.text.len(), |newline| end + newline + 1);
        let shown = self.text.get(start..end).ok_or(MietteError::OutOfBounds)?;
        let (line, lines) = (before.matches('\n').count(), shown.lines().count());
        let column = match context_before {
            0 => self.text.get(start..span.offset()).map_or(0, |before| before.chars().count()),
            _ => 0,
        };
        let place = SourceSpan::new(start.into(), shown.len());
        let name = self.name.clone();
        let contents =
            MietteSpanContents::new_named(name, shown.as_bytes(), place, line, column, lines);
        Ok(Box::new(contents))
    }
}

/// Keeps control characters of a file away from the terminal, byte for byte, so that places hold.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t') { '?' } else { c })
        .collect()
}

fn label(at: &Location, text: Option<String>) -> LabeledSpan {
    LabeledSpan::new(text, at.start, at.end - at.start)
}

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Snippet<'_> {}

impl Diagnostic for Snippet<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code?))
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.help.as_deref()?))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source.as_ref()?)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let elsewhere = self.elsewhere.iter().map(|snippet| -> &dyn Diagnostic { snippet });
        (!self.elsewhere.is_empty()).then(|| -> Box<dyn Iterator<Item = _>> { Box::new(elsewhere) })
    }
}

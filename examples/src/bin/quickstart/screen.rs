//! Where it is shown: redrawn in place on a terminal, line after line elsewhere.

use std::{
    io::{self, IsTerminal, Stdout, Write},
    time::Duration,
};

use crossterm::{cursor, queue, terminal};

use crate::table::Table;

/// The output. Dropping it gives the terminal back as it was.
#[derive(Debug)]
pub(crate) struct Screen {
    out: Stdout,
    live: bool,
    /// How many lines the last table took.
    drawn: u16,
    events: Vec<String>,
}

// ===== impl Screen =====

impl Screen {
    pub(crate) fn open(plain: bool) -> Self {
        let mut screen = Self {
            out: io::stdout(),
            live: !plain && io::stdout().is_terminal(),
            drawn: 0,
            events: Vec::new(),
        };
        if screen.live {
            // A terminal that cannot hide its cursor shows it.
            let _ = queue!(screen.out, cursor::Hide, terminal::DisableLineWrap);
        }
        screen
    }

    /// How often to draw.
    pub(crate) fn period(&self, duration: Duration) -> Duration {
        if self.live {
            Duration::from_millis(100)
        } else {
            Duration::from_secs(1).min(duration / 8)
        }
    }

    /// Something has happened.
    pub(crate) fn event(&mut self, at: Duration, what: &str) -> io::Result<()> {
        let line = format!("{:>5.1} s {what}", at.as_secs_f64());
        if self.live {
            self.events.push(line);
            return Ok(());
        }
        writeln!(self.out, "{line}")
    }

    /// Draws the table over the last one.
    pub(crate) fn show(&mut self, table: &Table) -> io::Result<()> {
        if !self.live {
            return writeln!(self.out, "{}", table.line());
        }
        let (width, height) = terminal::size().unwrap_or((80, 24));
        let mut lines = table.lines(usize::from(width));
        lines.push(String::new());
        lines.extend(self.events.iter().cloned());
        // What does not fit would scroll, and could not be drawn over.
        lines.truncate(usize::from(height).saturating_sub(1));

        // One write, between marks that tell the terminal to show it at once: no flicker.
        let mut frame = Vec::new();
        queue!(frame, terminal::BeginSynchronizedUpdate)?;
        if self.drawn > 0 {
            queue!(frame, cursor::MoveToPreviousLine(self.drawn))?;
        }
        for line in &lines {
            frame.extend_from_slice(line.as_bytes());
            queue!(frame, terminal::Clear(terminal::ClearType::UntilNewLine))?;
            frame.extend_from_slice(b"\r\n");
        }
        queue!(
            frame,
            terminal::Clear(terminal::ClearType::FromCursorDown),
            terminal::EndSynchronizedUpdate
        )?;
        self.drawn = lines.len() as u16;
        self.out.write_all(&frame)?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.live {
            let _ = queue!(self.out, terminal::EnableLineWrap, cursor::Show);
            let _ = self.out.flush();
        }
    }
}

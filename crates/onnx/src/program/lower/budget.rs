//! What a model may ask for while it is compiled, all nodes together: a small file must not take long.

use super::Lower;
use crate::limits;

/// Most answers that ensembles ask of tests on codes; a number of a set that such a test becomes counts for several.
const ANSWERS: usize = 1 << 26;

impl Lower {
    /// Lets the model take more steps: its file is as long.
    pub fn allow(&mut self, steps: usize) {
        self.allowed = self.allowed.saturating_add(steps);
    }

    /// Asks for work that has to be done while the model is loaded, in steps of about a nanosecond.
    pub fn charge(&mut self, steps: usize) -> Result<(), String> {
        self.charged = self.charged.saturating_add(steps);
        if self.charged <= limits::LOAD_STEPS.saturating_add(self.allowed) {
            return Ok(());
        }
        Err(self.beyond("takes more work than is done when a model is loaded"))
    }

    /// Asks for answers of tests on codes, without which trees read columns; none when too much was asked.
    pub fn ask(&mut self, answers: usize) -> Option<()> {
        self.asked = self.asked.saturating_add(answers);
        (self.asked <= ANSWERS).then_some(())
    }

    /// Asks for a table of this many entries which can be done without.
    pub fn spare_table(&mut self, entries: usize) -> Option<()> {
        let tables = self.tables.saturating_add(entries);
        (tables <= limits::TABLES).then(|| self.tables = tables)
    }
}

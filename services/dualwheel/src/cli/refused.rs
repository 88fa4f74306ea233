//! How many rows of an import may be refused.

/// Rows that may be refused whatever share of the whole they are.
const FEW: u64 = 10;

/// Of the rows of an entry how many may be refused, before the mapping is wrong and not the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MostRefused {
    /// So many.
    Rows(u64),
    /// A share of them; a few may be in any case.
    Share(f64),
}

impl Default for MostRefused {
    fn default() -> Self {
        Self::Share(0.05)
    }
}

impl std::str::FromStr for MostRefused {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no number of rows, such as 100, and no share, such as 5%");
        match text.strip_suffix('%') {
            Some(share) => {
                let share: f64 = share.parse().map_err(|_| wrong())?;
                (0.0..=100.0)
                    .contains(&share)
                    .then_some(Self::Share(share / 100.0))
                    .ok_or_else(wrong)
            }
            None => text.parse().map(Self::Rows).map_err(|_| wrong()),
        }
    }
}

impl MostRefused {
    /// Whether `refused` of `rows` are too many.
    pub(crate) fn is_passed(self, refused: u64, rows: u64) -> bool {
        match self {
            Self::Rows(most) => refused > most,
            Self::Share(most) => refused > FEW && refused as f64 > most * rows as f64,
        }
    }
}

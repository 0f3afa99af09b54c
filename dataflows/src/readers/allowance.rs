//! How many rows a read may visit.

/// What is left of the rows that a read may visit.
pub struct Allowance<'a> {
    left: usize,
    /// Says whether nobody waits for the read any more; without it, nothing follows what is left.
    is_abandoned: Option<&'a dyn Fn() -> bool>,
}

/// Nothing is left, so the read is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded;

/// After so many rows it is looked whether anybody still waits.
const LOOK_ROWS: usize = 4_096;

impl<'a> Allowance<'a> {
    /// So many rows.
    pub fn of(rows: usize) -> Allowance<'a> {
        Allowance { left: rows, is_abandoned: None }
    }

    /// All rows, until nobody waits for them any more.
    pub fn until(is_abandoned: &'a dyn Fn() -> bool) -> Allowance<'a> {
        Allowance { left: LOOK_ROWS, is_abandoned: Some(is_abandoned) }
    }

    /// All rows.
    pub fn unlimited() -> Allowance<'static> {
        Allowance::until(&|| false)
    }

    /// Takes off rows that are to be visited.
    pub fn take(&mut self, rows: usize) -> Result<(), Exceeded> {
        if let Some(left) = self.left.checked_sub(rows) {
            self.left = left;
            return Ok(());
        }
        match self.is_abandoned {
            Some(is_abandoned) if !is_abandoned() => {
                self.left = LOOK_ROWS;
                Ok(())
            }
            _ => Err(Exceeded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn rows_are_taken_off() {
        let mut few = Allowance::of(3);
        assert_eq!((few.take(2), few.take(1), few.take(1)), (Ok(()), Ok(()), Err(Exceeded)));
        let mut all = Allowance::unlimited();
        assert!((0..3 * LOOK_ROWS).all(|_| all.take(1).is_ok()));
        assert!(all.take(10 * LOOK_ROWS).is_ok());
        let abandoned = Cell::new(false);
        let is_abandoned = || abandoned.get();
        let mut waited_for = Allowance::until(&is_abandoned);
        assert!((0..3 * LOOK_ROWS).all(|_| waited_for.take(1).is_ok()));
        abandoned.set(true);
        assert!(!(0..=LOOK_ROWS).all(|_| waited_for.take(1).is_ok()));
    }
}

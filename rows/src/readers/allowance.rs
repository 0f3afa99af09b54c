//! The allowance of a read: how many rows it may visit.

/// The remaining rows of a read.
pub struct Allowance<'a> {
    left: usize,
    /// Whether the client of the read is gone; none: not checked.
    is_abandoned: Option<&'a dyn Fn() -> bool>,
}

/// The allowance is used up, so the read stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded;

/// The number of rows between two checks whether the client still waits.
const LOOK_ROWS: usize = 4_096;

impl<'a> Allowance<'a> {
    /// An allowance of `rows` rows.
    pub fn of(rows: usize) -> Allowance<'a> {
        Allowance { left: rows, is_abandoned: None }
    }

    /// Unlimited until the client of the read is gone.
    pub fn until(is_abandoned: &'a dyn Fn() -> bool) -> Allowance<'a> {
        Allowance { left: LOOK_ROWS, is_abandoned: Some(is_abandoned) }
    }

    /// Unlimited.
    pub fn unlimited() -> Allowance<'static> {
        Allowance::until(&|| false)
    }

    /// Takes rows off before they are visited.
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

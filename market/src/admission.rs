//! Names count when a row that uses them is bound to a commit: until then they travel with the row.

use std::sync::Arc;

use crate::id::{ModelId, PortfolioId};
use crate::instrument::{Catalog, CatalogError, Instrument};
use crate::names::{NameError, Named};
use crate::rejection::RejectionReason;
use crate::scopes::IdScopeError;

/// The names that a row uses and that the catalog did not know when the row was decoded.
///
/// A decoder looks names up and registers none, so that a row which is refused later leaves nothing in the catalog.
/// Whoever binds the row [registers](Catalog::register) them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownNames {
    /// Its instrument.
    pub instrument: Option<Arc<Instrument>>,
    /// The name of the space of its trade's id, and whether ids are contiguous in it.
    pub scope: Option<(Arc<str>, bool)>,
    /// The name of its portfolio.
    pub portfolio: Option<Arc<str>>,
    /// The name of its model.
    pub model: Option<Arc<str>>,
}

/// Why names that a row uses are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// Its instrument.
    #[error(transparent)]
    Instrument(#[from] CatalogError),
    /// The space of its trade's id.
    #[error(transparent)]
    Scope(#[from] IdScopeError),
    /// Its portfolio.
    #[error(transparent)]
    Portfolio(NameError),
    /// Its model.
    #[error(transparent)]
    Model(NameError),
}

impl UnknownNames {
    /// Itself in a box, or nothing if every name is known.
    pub fn boxed(self) -> Option<Box<UnknownNames>> {
        (self != UnknownNames::default()).then(|| Box::new(self))
    }
}

impl AdmissionError {
    /// The kind of reason.
    pub fn reason(&self) -> RejectionReason {
        match self {
            AdmissionError::Instrument(_) | AdmissionError::Scope(_) => {
                RejectionReason::BadInstrument
            }
            AdmissionError::Portfolio(_) | AdmissionError::Model(_) => RejectionReason::BadField,
        }
    }

    /// What of a row it is about, in one word.
    pub fn field(&self) -> &'static str {
        match self {
            AdmissionError::Instrument(_) => "instrument",
            AdmissionError::Scope(_) => "scope",
            AdmissionError::Portfolio(_) => PortfolioId::WHAT,
            AdmissionError::Model(_) => ModelId::WHAT,
        }
    }
}

impl Catalog {
    /// Registers the names of a row that is being bound: all of them, or none and the error gives the reason.
    ///
    /// ```
    /// use market::{Catalog, UnknownNames};
    /// let catalog = Catalog::new(Vec::new(), 1);
    /// let unknown = |name: &str| UnknownNames {
    ///     instrument: Some(catalog.find(name).unwrap().instrument),
    ///     ..UnknownNames::default()
    /// };
    /// let (a, b) = (unknown("x:A"), unknown("x:B"));
    /// assert!(catalog.all().is_empty());
    /// catalog.register(&a).unwrap();
    /// let full = catalog.register(&b).unwrap_err().to_string();
    /// assert_eq!(full, "instrument `x:B` is one more than the 1 that `limits.instruments` allows (--max-instruments)");
    /// ```
    pub fn register(&self, names: &UnknownNames) -> Result<(), AdmissionError> {
        if let Some((scope, contiguous)) = &names.scope {
            self.scopes.check(scope, *contiguous)?;
        }
        self.hold(names)?;
        // Each has a place now, so nothing below fails but a scope that another thread has just registered differently.
        if let Some(instrument) = &names.instrument {
            self.insert(instrument)?;
        }
        if let Some(name) = &names.portfolio {
            self.portfolios.insert(name).map_err(AdmissionError::Portfolio)?;
        }
        if let Some(name) = &names.model {
            self.models.insert(name).map_err(AdmissionError::Model)?;
        }
        if let Some((scope, contiguous)) = &names.scope {
            self.scopes.resolve(scope, *contiguous)?;
        }
        Ok(())
    }

    /// Holds places for the names of a row that is to be bound, so that [`Catalog::register`] finds them: for all of
    /// them, or for none and the error gives the reason. What is only held is not known to anybody.
    pub fn hold(&self, names: &UnknownNames) -> Result<(), AdmissionError> {
        let mut held = UnknownNames::default();
        let tried = self.hold_each(names, &mut held);
        tried.inspect_err(|_| self.release(&held))
    }

    /// Gives places back that were held for a row which is not bound after all.
    pub fn release(&self, names: &UnknownNames) {
        if let Some(instrument) = &names.instrument {
            self.give_back(instrument.id);
        }
        if let Some(name) = &names.portfolio {
            self.portfolios.release(name);
        }
        if let Some(name) = &names.model {
            self.models.release(name);
        }
    }

    /// Holds one place after the other, and notes them in `held`.
    fn hold_each(
        &self,
        names: &UnknownNames,
        held: &mut UnknownNames,
    ) -> Result<(), AdmissionError> {
        if let Some(instrument) = &names.instrument {
            self.take_place(instrument)?;
            held.instrument = Some(Arc::clone(instrument));
        }
        if let Some(name) = &names.portfolio {
            self.portfolios.hold(name).map_err(AdmissionError::Portfolio)?;
            held.portfolio = Some(Arc::clone(name));
        }
        if let Some(name) = &names.model {
            self.models.hold(name).map_err(AdmissionError::Model)?;
            held.model = Some(Arc::clone(name));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Name;

    fn fill(catalog: &Catalog, instrument: &str, portfolio: &str) -> UnknownNames {
        let Name { unknown, .. } = catalog.portfolios.find(portfolio).unwrap();
        let instrument = Some(catalog.find(instrument).unwrap().instrument);
        UnknownNames { instrument, portfolio: unknown, ..UnknownNames::default() }
    }

    #[test]
    fn of_a_row_all_names_are_taken_or_none() {
        let catalog = Catalog::new(Vec::new(), 2).with_room_for(1, 1);
        catalog.register(&fill(&catalog, "x:A", "p")).unwrap();
        let error = catalog.register(&fill(&catalog, "x:B", "q")).unwrap_err();
        assert_eq!((error.reason(), error.field()), (RejectionReason::BadField, "portfolio"));
        catalog.register(&fill(&catalog, "x:C", "p")).unwrap();
        let names: Vec<_> = catalog.all().iter().map(|one| one.name.to_string()).collect();
        assert_eq!(names, ["x:A", "x:C"]);
    }

    #[test]
    fn what_is_held_is_unknown_until_it_is_registered() {
        let catalog = Catalog::new(Vec::new(), 1);
        let names = fill(&catalog, "x:A", "p");
        catalog.hold(&names).unwrap();
        assert!(!catalog.find("x:A").unwrap().is_registered && catalog.all().is_empty());
        assert!(catalog.hold(&fill(&catalog, "x:B", "p")).is_err(), "the place is held");
        catalog.release(&names);
        catalog.register(&fill(&catalog, "x:B", "p")).unwrap();
        catalog.release(&names);
        assert!(catalog.find("x:B").unwrap().is_registered);
    }

    #[test]
    fn a_scope_of_which_sources_disagree_takes_no_place() {
        let catalog = Catalog::new(Vec::new(), 1);
        catalog.scopes.resolve("x", true).unwrap();
        let names =
            UnknownNames { scope: Some((Arc::from("x"), false)), ..fill(&catalog, "x:A", "p") };
        assert!(matches!(catalog.register(&names), Err(AdmissionError::Scope(_))));
        assert!(catalog.all().is_empty());
    }
}

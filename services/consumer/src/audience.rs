//! Audiences (人群): who belongs, said as an expression over the facts of a brand.
//!
//! Source: methodology 2.5. [`expression`] is the tree, [`text`] its readable form, [`check`] what makes a tree
//! sound for a brand's definitions, [`evaluate`](mod@evaluate) finds the people,
//! of those whom [`sight`] lets the caller see; [`traits`] says by which traits they stand out.

pub mod check;
pub mod evaluate;
pub mod expression;
mod indexed;
pub mod sight;
mod sought;
pub mod text;
pub mod traits;

pub use evaluate::{Evaluated, World, evaluate};
pub use expression::Expression;
pub use sight::Sight;

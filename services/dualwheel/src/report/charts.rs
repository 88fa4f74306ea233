//! The report's pictures, drawn as SVG.
//!
//! Pictures stretch with the page: shapes are placed by percentages or in a box that may be distorted, and words
//! keep their size, so that a picture reads as well on a phone as on paper. Colours come from the style sheet.

pub mod bars;
pub mod radar;
pub mod sankey;
pub mod strip;
pub mod trend;

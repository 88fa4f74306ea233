//! The closed sets of the facts: what was done and where, roles, search words, forms of contents. Their names are the
//! contract's.

use dualwheel_proto::{names, words};
use serde::{Deserialize, Serialize};

/// What was done, in the contract's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "the names are those of the contract, which explains them"
)]
pub enum Kind {
    Unspecified = 0,
    Exposure = 1,
    AdClick = 2,
    ContentView = 3,
    LiveWatch = 4,
    Browse = 5,
    Search = 6,
    Favorite = 7,
    Cart = 8,
    Follow = 9,
    Join = 10,
    SampleClaim = 11,
    BenefitClaim = 12,
    PointsRedeem = 13,
    CheckIn = 14,
    Like = 15,
    Comment = 16,
    Share = 17,
    Consult = 18,
    GroupJoin = 19,
    Purchase = 20,
    PositiveReview = 21,
    Recommend = 22,
    NegativeReview = 23,
}

impl Kind {
    /// Every kind by its number, the one not said among them.
    pub const ALL: [Self; names::BEHAVIOR_KIND.len()] = [
        Self::Unspecified,
        Self::Exposure,
        Self::AdClick,
        Self::ContentView,
        Self::LiveWatch,
        Self::Browse,
        Self::Search,
        Self::Favorite,
        Self::Cart,
        Self::Follow,
        Self::Join,
        Self::SampleClaim,
        Self::BenefitClaim,
        Self::PointsRedeem,
        Self::CheckIn,
        Self::Like,
        Self::Comment,
        Self::Share,
        Self::Consult,
        Self::GroupJoin,
        Self::Purchase,
        Self::PositiveReview,
        Self::Recommend,
        Self::NegativeReview,
    ];

    /// The kind of a number in the contract; an unknown one is `Unspecified`.
    #[must_use]
    pub fn from_number(number: i8) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|at| Self::ALL.get(at))
            .copied()
            .unwrap_or(Self::Unspecified)
    }

    /// The name in the contract, `AD_CLICK`.
    #[must_use]
    pub fn name(self) -> &'static str {
        names::BEHAVIOR_KIND
            .get(self as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Every kind that can be said.
    pub fn said() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().skip(1)
    }

    /// The kind of a name in the contract; `None` for one not said.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::said().find(|kind| kind.name() == name)
    }

    /// Exposure, advertisement click, content view, live watch; browsing is passive or active by its days.
    #[must_use]
    pub fn is_passive(self) -> bool {
        matches!(
            self,
            Self::Exposure | Self::AdClick | Self::ContentView | Self::LiveWatch
        )
    }

    /// Active whatever the number of days, the loyal kinds among them; browsing is not among them.
    #[must_use]
    pub fn is_active(self) -> bool {
        (self >= Self::Search && self <= Self::GroupJoin) || self.is_loyal()
    }

    /// Positive review and recommendation.
    #[must_use]
    pub fn is_loyal(self) -> bool {
        matches!(self, Self::PositiveReview | Self::Recommend)
    }

    /// Whether it makes a visitor (ground rule 8): browse, favourite, cart, consult, sample claim.
    #[must_use]
    pub fn is_visit(self) -> bool {
        matches!(
            self,
            Self::Browse | Self::Favorite | Self::Cart | Self::Consult | Self::SampleClaim
        )
    }
}

/// A closed set with the contract's numbers, 0 being "not said"; it must be as long as the contract's.
macro_rules! closed_set {
    ($(#[$about:meta])* $set:ident of $names:ident: $($(#[$what:meta])* $value:ident = $number:literal,)+) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $set {
            $($(#[$what])* $value = $number,)+
        }

        impl $set {
            /// All of them, by the contract's numbers.
            pub const ALL: [Self; names::$names.len() - 1] = [$(Self::$value,)+];

            /// That of a number in the contract; `None` where it was not said.
            #[must_use]
            pub fn from_number(number: i8) -> Option<Self> {
                Self::ALL.into_iter().find(|value| *value as i8 == number)
            }

            /// The name in the contract.
            #[must_use]
            pub fn name(self) -> &'static str {
                names::$names.get(self as usize).copied().unwrap_or_default()
            }

            /// The name in definitions and segments: the contract's in small letters.
            #[must_use]
            pub fn word(self) -> &'static str {
                words::$names.get(self as usize).copied().unwrap_or_default()
            }

            /// That of a name in definitions.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.word() == word)
            }
        }
    };
}

closed_set! {
    /// Where something was done.
    Venue of VENUE:
    /// Store.
    Store = 1,
    /// Member centre.
    MemberCentre = 2,
    /// Group chat.
    GroupChat = 3,
    /// Live room.
    LiveRoom = 4,
    /// Mini-program.
    MiniProgram = 5,
    /// Text message.
    Sms = 6,
    /// Content.
    Content = 7,
    /// Off line.
    Offline = 8,
    /// Any other.
    Other = 9,
}

closed_set! {
    /// Class of a search word.
    KeywordClass of KEYWORD_CLASS:
    /// Names the brand.
    Brand = 1,
    /// Names a selling point.
    SellingPoint = 2,
    /// Names a category.
    Category = 3,
    /// Any other.
    Other = 4,
}

closed_set! {
    /// A role, shallow to deep.
    Role of ROLE:
    /// Fan.
    Fan = 1,
    /// Group member.
    GroupMember = 2,
    /// Member.
    Member = 3,
    /// Paid member.
    PaidMember = 4,
}

closed_set! {
    /// Form of a content.
    Format of CONTENT_FORMAT:
    /// Short video.
    ShortVideo = 1,
    /// Live stream.
    Live = 2,
    /// Pictures with text.
    ImageText = 3,
    /// Article.
    Article = 4,
}

closed_set! {
    /// Gender as supplied.
    Gender of GENDER:
    /// Female.
    Female = 1,
    /// Male.
    Male = 2,
    /// Any other.
    Other = 3,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PaidMember` as the contract writes it.
    fn screaming(value: &str) -> String {
        let mut name = String::new();
        for letter in value.chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_uppercase());
        }
        name
    }

    #[test]
    fn every_kind_has_the_number_and_name_of_the_contract() {
        for (number, kind) in (0i8..).zip(Kind::ALL) {
            assert_eq!((kind as i8, Kind::from_number(number)), (number, kind));
            assert_eq!(kind.name(), screaming(&format!("{kind:?}")));
            assert_eq!(Kind::named(kind.name()), (number > 0).then_some(kind));
        }
        assert_eq!(
            (Kind::from_number(-1), Kind::from_number(24)),
            (Kind::Unspecified, Kind::Unspecified)
        );
    }

    macro_rules! holds {
        ($set:ident) => {
            for (number, value) in (1i8..).zip($set::ALL) {
                assert_eq!(
                    (value as i8, $set::from_number(number)),
                    (number, Some(value))
                );
                assert_eq!(value.name(), screaming(&format!("{value:?}")));
                assert_eq!($set::of_word(value.word()), Some(value));
                let spelled = serde_json::to_value(value).unwrap();
                assert_eq!(spelled, value.word());
            }
            assert_eq!(
                ($set::from_number(0), $set::of_word("unspecified")),
                (None, None)
            );
        };
    }

    #[test]
    fn every_closed_set_has_the_numbers_and_names_of_the_contract() {
        holds!(Venue);
        holds!(KeywordClass);
        holds!(Role);
        holds!(Format);
        holds!(Gender);
    }
}

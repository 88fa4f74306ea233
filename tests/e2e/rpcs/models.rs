//! What models say: pages of candidates and of trends.

use dualwheel_kit::failure::violations_of;
use dualwheel_proto::{
    membership::{
        GetKocBoardResponse, KocClass, ListKocCandidatesRequest,
        membership_service_client::MembershipServiceClient,
    },
    plugin::ModelSource,
    product::{ListStyleTrendsRequest, StyleAttribute, product_service_client::ProductServiceClient},
};
use tonic::transport::Channel;

use crate::harness::{BRAND, date};

/// Two pages of trends hold what one does, and every attribute has some.
pub(super) async fn style_trends(mut client: ProductServiceClient<Channel>) {
    let page = |attribute: StyleAttribute, size: i32, token: String| ListStyleTrendsRequest {
        brand: BRAND.to_owned(),
        attribute: attribute.into(),
        as_of: Some(date("2026-06-30")),
        page_size: size,
        page_token: token,
        ..ListStyleTrendsRequest::default()
    };
    for attribute in [
        StyleAttribute::Style,
        StyleAttribute::Material,
        StyleAttribute::Colour,
    ] {
        let request = page(attribute, 1_000, String::new());
        let all = client.list_style_trends(request).await.unwrap().into_inner();
        assert!(all.total_size > 1, "{attribute:?}");
        assert_eq!(all.trends.len() as i64, all.total_size);
        assert!(all.trends.is_sorted_by_key(|trend| trend.rank));
        assert_eq!(all.scored_by.clone().unwrap().source(), ModelSource::BuiltIn);
        assert!(all.data_version.unwrap().tables.contains_key("order_lines"));
        let size = i32::try_from(all.total_size - 1).unwrap();
        let first = client.list_style_trends(page(attribute, size, String::new()));
        let first = first.await.unwrap().into_inner();
        let second = client.list_style_trends(page(attribute, size, first.next_page_token));
        let second = second.await.unwrap().into_inner();
        assert_eq!([first.trends, second.trends].concat(), all.trends);
    }
    let request = ListStyleTrendsRequest {
        attribute: 0,
        ..page(StyleAttribute::Style, 1, String::new())
    };
    let refused = client.list_style_trends(request).await.unwrap_err();
    assert_eq!(violations_of(&refused)[0].0, "attribute");
}

/// The pages of candidates hold those of the board: everybody, and each class as often as its cells say.
pub(super) async fn koc_candidates(
    mut client: MembershipServiceClient<Channel>,
    board: &GetKocBoardResponse,
) {
    let everybody = board.metrics[0].value.unwrap() as i64;
    assert!(everybody > 0);
    for class in [
        KocClass::Unspecified,
        KocClass::StandardKoc,
        KocClass::Sharer,
        KocClass::QualityBuyer,
    ] {
        let cells = board.cells.iter().filter(|cell| cell.koc_class() == class);
        let expected = match class {
            KocClass::Unspecified => everybody,
            _ => cells.map(|cell| cell.people).sum(),
        };
        let (mut listed, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListKocCandidatesRequest {
                brand: BRAND.to_owned(),
                as_of: Some(date("2026-06-30")),
                koc_class: class.into(),
                page_size: 7,
                page_token,
                ..ListKocCandidatesRequest::default()
            };
            let page = client.list_koc_candidates(request).await.unwrap().into_inner();
            assert_eq!(page.total_size, expected, "{class:?}");
            listed.extend(page.candidates);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(listed.len() as i64, expected);
        let powers: Vec<f64> = listed
            .iter()
            .map(|candidate| candidate.content + candidate.influence)
            .collect();
        assert!(powers.is_sorted_by(|one, next| one >= next));
    }
}

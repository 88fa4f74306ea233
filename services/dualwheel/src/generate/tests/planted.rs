//! What was planted must be there, and must show.

use super::*;

#[test]
fn the_truth_names_what_exists() {
    let (folder, _, summary) = &*MARKET;
    let text = std::fs::read_to_string(folder.path().join(TRUTH_FILE)).unwrap();
    let truth: Truth = serde_json::from_str(&text).unwrap();
    assert_eq!(truth, summary.truth);
    let (products, contents) = (market("product"), market("content"));
    let (products, brands): (Vec<_>, Vec<_>) = (keys(&products, "product"), keys(&products, "brand"));
    let owner = |product: &String| brands[products.iter().position(|known| known == product).unwrap()];
    assert_eq!(truth.future_hits.len(), 3);
    for hit in &truth.future_hits {
        assert_eq!(owner(&hit.product), hit.brand);
        assert!(hit.launched_on < hit.takes_off_on && hit.takes_off_on < truth.last_day);
        assert!(hit.units_after > 3 * hit.units_before, "{hit:?}");
    }
    assert!(truth.rising_style.products.len() > 2);
    truth
        .rising_style
        .products
        .iter()
        .for_each(|product| assert!(truth.brands.contains(&owner(product).to_owned())));
    let [first, last] = truth.rising_style.units_first_and_last_90_days;
    assert!(last > first, "{first} {last}");
    let elements = texts(&contents, &truth.working_element.element);
    let content_keys = keys(&contents, "content");
    let planted: BTreeSet<&str> = truth
        .working_element
        .contents
        .iter()
        .map(String::as_str)
        .collect();
    for (key, value) in content_keys.iter().zip(elements) {
        assert_eq!(
            value == Some(truth.working_element.value.as_str()),
            planted.contains(key)
        );
    }
    let authors = keys(&contents, "author");
    for koc in &truth.kocs {
        let own = |key: &String| authors[content_keys.iter().position(|known| known == key).unwrap()];
        assert!(koc.contents.len() > 1 && koc.contents.iter().all(|key| own(key) == koc.consumer));
    }
    assert!(truth.kocs.iter().map(|koc| koc.brought).sum::<u64>() > 50);
    let tracks: BTreeSet<String> = truth
        .weak_brands
        .iter()
        .map(|weak| format!("{:?}", weak.track))
        .collect();
    let weak: BTreeSet<&String> = truth.weak_brands.iter().map(|weak| &weak.brand).collect();
    assert_eq!((tracks.len(), weak.len()), (5, 5));
    assert!(weak.iter().all(|brand| truth.brands.contains(brand)));
}

fn rate([cases, events]: [u64; 2]) -> f64 {
    events as f64 / cases as f64
}

#[test]
fn what_was_planted_shows() {
    let truth = &MARKET.2.truth;
    for driver in &truth.return_drivers {
        let (with, without) = (
            rate(driver.lines_and_returns_with),
            rate(driver.lines_and_returns_without),
        );
        assert!(with > 1.3 * without, "{driver:?}");
    }
    let back = &truth.win_back;
    let (with, without) = (
        rate(back.visits_and_returns_with_benefit),
        rate(back.visits_and_returns_without),
    );
    assert!(with > 1.5 * without, "{back:?}");
    let weak = |track| {
        &truth
            .weak_brands
            .iter()
            .find(|weak| weak.track == track)
            .unwrap()
            .brand
    };
    let worst = |shares: BTreeMap<&str, (u32, u32)>| {
        let share = |(cases, events): &(u32, u32)| f64::from(*events) / f64::from(*cases);
        let least = |a: &(&str, (u32, u32)), b: &(&str, (u32, u32))| share(&a.1).total_cmp(&share(&b.1));
        shares.into_iter().min_by(least).unwrap().0.to_owned()
    };
    let orders = market("order_line");
    let (promised, delivered) = (
        instants(&orders, "promised_at"),
        instants(&orders, "delivered_at"),
    );
    let mut on_time = BTreeMap::<&str, (u32, u32)>::new();
    for (row, brand) in keys(&orders, "brand").into_iter().enumerate() {
        if let (Some(promised), Some(delivered)) = (promised[row], delivered[row]) {
            let (lines, kept) = on_time.entry(brand).or_default();
            *lines += 1;
            *kept += u32::from(delivered <= promised);
        }
    }
    assert_eq!(&worst(on_time), weak(Track::Goods));
    let behaviors = market("behavior");
    let (kinds, classes) = (codes(&behaviors, "kind"), codes(&behaviors, "keyword_class"));
    let mut by_name = BTreeMap::<&str, (u32, u32)>::new();
    for (row, brand) in keys(&behaviors, "brand")
        .into_iter()
        .enumerate()
        .filter(|(row, _)| kinds[*row] == 6)
    {
        let (searches, named) = by_name.entry(brand).or_default();
        *searches += 1;
        *named += u32::from(classes[row] == 1);
    }
    assert_eq!(&worst(by_name), weak(Track::Brand));
}

#[test]
fn the_parts_of_a_market_sum_to_it() {
    let rows = market("market_stat");
    let (categories, bands) = (keys(&rows, "category"), keys(&rows, "price_band"));
    let (kinds, gmv) = (
        codes(&rows, "attribute_kind"),
        column(&rows, "gmv").as_primitive::<Decimal128Type>(),
    );
    let days = column(&rows, "first_day").as_primitive::<Date32Type>();
    let mut sums = BTreeMap::<(&str, i32), BTreeMap<(i8, bool), i128>>::new();
    for row in 0..rows.num_rows() {
        let market = sums.entry((categories[row], days.value(row))).or_default();
        *market.entry((kinds[row], bands[row].is_empty())).or_default() += gmv.value(row);
    }
    assert_eq!(sums.len(), 14 * 15);
    for (market, cuts) in sums {
        let distinct: BTreeSet<i128> = cuts.into_values().collect();
        assert_eq!(distinct.len(), 1, "{market:?}");
    }
}

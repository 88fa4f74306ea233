//! Every word that the tables and the report say, in English and Chinese.

use dualwheel_proto::types::{Absence, IntervalAbsence, IntervalMethod};
use serde::Serialize;

/// The language of tables and reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese, simplified.
    Zh,
}

impl Lang {
    /// The words of the language.
    #[must_use]
    pub fn words(self) -> &'static Words {
        match self {
            Self::En => &EN,
            Self::Zh => &ZH,
        }
    }

    /// The tag for HTML's `lang`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
        }
    }

    /// The name in the language; the other one, then the id, where it is empty.
    #[must_use]
    pub fn pick<'a>(self, en: &'a str, zh: &'a str, id: &'a str) -> &'a str {
        let (first, second) = match self {
            Self::En => (en, zh),
            Self::Zh => (zh, en),
        };
        [first, second]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or(id)
    }
}

/// Puts values into a sentence's `{name}` places; a value is never searched for places itself.
#[must_use]
pub fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            text.push('{');
            rest = after;
            continue;
        };
        text.push_str(
            values
                .iter()
                .find(|(key, _)| *key == name)
                .map_or("", |(_, value)| value),
        );
        rest = tail;
    }
    text.push_str(rest);
    text
}

macro_rules! words {
    ($($key:ident: $en:literal, $zh:literal;)*) => {
        /// The words of one language, one field a word or sentence.
        #[derive(Debug, Serialize)]
        pub struct Words {
            $(#[doc = $en] pub $key: &'static str,)*
        }

        const EN: Words = Words { $($key: $en,)* };
        const ZH: Words = Words { $($key: $zh,)* };
    };
}

words! {
    product: "DTC Operating Index Plus", "DTC 经营指数 Plus";
    title: "{brand}: brand diagnosis", "{brand}：品牌经营诊断";
    diagnosis: "Brand diagnosis", "品牌经营诊断";
    diagnosis_of: "Diagnosis of {brand}", "{brand} 经营诊断";
    contents: "Contents", "目录";
    days: "{n} days", "{n} 天";
    window: "Window", "分析周期";
    reference: "Reference set", "参照品牌组";
    brands_n: "{n} brands", "{n} 个品牌";
    modes: "DTC modes", "DTC 模式";
    index: "Index", "指数";
    of_100: "of 100", "/ 100";
    rank: "Rank", "排名";
    rank_of: "{rank} of {n}", "第 {rank} / {n}";
    interval: "95% interval", "95% 区间";
    no_index: "No index", "无指数";
    every_member: "Index of every brand in the reference set", "参照组内各品牌指数";

    findings: "In brief", "要点";
    find_index: "{brand} scores {index} of 100 and ranks {rank} of {n}; the median of its peers is {median}.", "{brand} 得分 {index}（满分 100），在 {n} 个品牌中排第 {rank}；对标中位数为 {median}。";
    find_index_alone: "{brand} scores {index} of 100.", "{brand} 得分 {index}（满分 100）。";
    find_no_index: "{brand} has no index: no metric could be scored.", "{brand} 没有指数：没有可评分的指标。";
    find_tracks: "Strongest track: {best} ({best_score}). Weakest: {worst} ({worst_score}).", "最强赛道：{best}（{best_score}）；最弱赛道：{worst}（{worst_score}）。";
    find_gaps: "The {n} weakest metrics hold {points} index points; {metric} alone holds {gap}.", "最弱的 {n} 项指标共有 {points} 个指数点的差距，其中“{metric}”占 {gap}。";
    find_scene: "First action: {scene}, which serves {n} of the weak metrics.", "首要行动：{scene}，可改善 {n} 项薄弱指标。";
    find_missing: "{n} parts could not be scored; {weight} of the index weight was spread over the rest.", "有 {n} 项无法评分，占指数 {weight} 的权重已分摊到其余指标。";

    tracks_title: "Five tracks", "五大赛道";
    tracks_lede: "Each track is scored 0–100 against the reference set; 50 is the middle.", "各赛道相对参照组评分 0–100，50 为居中水平。";
    track: "Track", "赛道";
    score: "Score", "得分";
    position: "Position among peers", "在参照组中的位置";
    peer_mean: "Peer mean", "对标均值";
    peer_median: "Peer median", "对标中位数";
    top_quartile: "Top quartile", "前 25% 均值";
    top_quartile_mean: "Mean of the top quartile", "前 25% 对标均值";
    weight: "Weight", "权重";
    present: "Scored share", "已评分占比";
    partial: "partial", "不完整";
    partial_note: "Less than half of the track's base weight has a score.", "该赛道不足一半的基础权重有得分。";
    peers: "Peers", "对标品牌";
    radar_alt: "Radar of the track scores, brand against peer mean", "赛道得分雷达图：品牌与对标均值";

    people_title: "People and their stages", "人群资产与流转";
    stages: "Stage sizes on the last day", "期末各阶段人群规模";
    total: "Total", "合计";
    flow: "Flow between the stages", "阶段流转";
    flow_lede: "{advanced} people advanced, {fell} fell back and {lost} were lost; {gained} came in.", "{advanced} 人加深，{fell} 人回退，{lost} 人流失；新进 {gained} 人。";
    flow_alt: "Sankey diagram of people by stage before and after", "期初与期末阶段人群桑基图";
    flow_table: "The flow as a table", "流转明细表";
    flow_empty: "No flow was supplied.", "没有流转数据。";
    before: "Before", "期初";
    after: "After", "期末";
    people: "people", "人";
    advanced: "Advanced", "加深";
    stayed: "Stayed", "停留";
    fell_back: "Fell back", "回退";
    gained: "Gained", "新进";
    lost: "Lost", "流失";
    stage_a: "Awareness", "认知";
    stage_i: "Interest", "兴趣";
    stage_p: "Purchase", "购买";
    stage_l: "Loyalty", "忠诚";
    stage_out: "Outside", "圈外";
    trend_title: "FAST over time", "FAST 走势";
    trend_lede: "One point per step of the window; the scale of each picture is its own.", "每个时间步一个点；各图刻度独立。";
    trend_empty: "No trend was supplied.", "没有趋势数据。";
    trend_alt: "{name} from {first} to {last}: {from} to {to}", "{name}，{first} 至 {last}：从 {from} 到 {to}";

    metrics_title: "Metrics against the peers", "指标与对标品牌对比";
    track_lede: "{n} of {m} metrics are level with the peer mean or better.", "{m} 项指标中有 {n} 项不低于对标均值。";
    brand: "Brand", "品牌";
    lower_better: "lower is better", "越低越好";
    as_share: "as a share of base GMV", "占基期 GMV 之比";
    sub_indicators: "Sub-indicators: their scores' means are the metrics above", "二级指标：其得分均值即上述指标";
    gaps_title: "Where the points are lost", "差距所在";
    gaps_lede: "The weakest metrics. A gap is weight × (100 − score), in index points.", "最弱的指标。差距 = 权重 ×（100 − 得分），单位为指数点。";
    gaps_empty: "No metric has a gap.", "没有存在差距的指标。";
    metric: "Metric", "指标";
    value: "Value", "数值";
    gap: "Gap", "差距";
    gap_points: "Gap, index points", "差距（指数点）";
    nearest: "Nearest above", "最近的领先者";
    none_better: "none is better", "无更优者";
    scenes_title: "What to do: key actions", "关键行动";
    scenes_lede: "Scenes of the dual-wheel map that serve the weakest metrics, best first. Priority is the sum of the served gaps, in index points.", "双轮经营场景地图中可改善薄弱指标的场景，按优先级排列。优先级为所服务指标差距之和（指数点）。";
    scenes_empty: "No scene serves the weak metrics.", "没有服务于薄弱指标的场景。";
    action: "Action", "行动";
    wheel: "Wheel", "轮";
    plvm: "Goods wheel", "货品轮";
    clvm: "People wheel", "人群轮";
    focus: "key action", "重点场景";
    priority: "Priority", "优先级";
    points: "index points", "指数点";
    serves: "Serves", "服务指标";
    missing_title: "What is missing and what it costs", "缺失内容及其代价";
    missing_lede: "The weight of a missing metric is spread over the rest of its track; that of a missing track over the others.", "缺失指标的权重分摊到本赛道其余指标；缺失赛道的权重分摊到其他赛道。";
    missing_none: "Nothing is missing: every metric has a score.", "没有缺失：所有指标均已评分。";
    reason: "Reason", "原因";
    cost: "Index weight spread", "分摊的指数权重";
    supply: "Fact to supply", "需补充的数据";
    whole_track: "Whole track", "整个赛道";
    whole_answer: "Everything about this peer", "该对标品牌的全部数据";
    picture_aipl: "AIPL stage sizes (picture only)", "AIPL 人群规模（仅图表）";
    picture_flow: "stage flow (picture only)", "阶段流转（仅图表）";
    picture_definitions: "definitions (appendix only)", "指标定义（仅附录）";
    of_peer: "peer: {peer}", "对标品牌：{peer}";
    of_service: "service: {service}", "服务：{service}";

    appendix: "Appendix", "附录";
    members_title: "The reference set", "参照品牌组明细";
    metrics_all: "Every metric", "全部指标明细";
    metrics_all_lede: "What each number was made of. A value is never a stand-in: where there is none, the reason is given.", "每个数值的构成。缺失值从不以零代替，均注明原因。";
    made_of: "Numerator ÷ denominator", "分子 ÷ 分母";
    notes: "Notes", "备注";
    segment: "Segment", "细分";
    definitions_title: "Definitions", "指标定义";
    definitions_lede: "Grades: public = stated by public material of the platform; common = common practitioner reading; own = this project's definition, because no public formula exists.", "来源等级：公开 = 平台公开资料；通用 = 业内通行口径；自有 = 无公开公式，由本项目定义。";
    grade: "Grade", "来源等级";
    grade_pub: "public", "公开";
    grade_com: "common", "通用";
    grade_own: "own", "自有";
    version: "Version", "版本";
    better: "Better", "优劣方向";
    higher: "higher", "越高越好";
    lower: "lower", "越低越好";
    neither: "neither", "无方向";
    parameters: "Parameters", "参数";
    data_title: "Data versions", "数据版本";
    data_lede: "Tables and the Delta versions that were read. The same versions give the same numbers.", "读取的数据表及其 Delta 版本。相同版本得到相同结果。";
    scoring_version: "Weights, modes and scene map: version {version}", "权重、模式与场景地图：版本 {version}";
    made_by: "Made by Dualwheel. One file, no network: nothing in this report is loaded from elsewhere.", "由 Dualwheel 生成。单一文件，不联网：报告内容均不从外部加载。";
    sort_hint: "Select a column heading to sort.", "点击列标题可排序。";

    no_denominator: "denominator is zero", "分母为零";
    no_data: "no data", "无数据";
    signal_not_supplied: "signal not supplied", "未提供该类数据";
    too_few_peers: "fewer than three brands have a value", "有数值的品牌不足三个";
    service_unavailable: "service did not answer", "服务未响应";
    undetermined: "the facts do not determine the model", "数据不足以确定模型";
    absent: "absent", "缺失";
    plain_count: "plain count", "全量计数";
    exact_identity: "exact sum", "精确求和";
    no_unit_data: "no unit data", "无个体数据";
    wilson: "Wilson", "Wilson 区间";
    bootstrap: "bootstrap", "自助法";
    normal: "normal", "正态近似";
    reachability_assumed: "reachability assumed: no channel permissions supplied", "假定可触达：未提供触达渠道";
    dwell_assumed: "dwell assumed: views count as reach", "假定有效停留：浏览计为触达";
    market_from_tenant: "market = sum of the tenant's own brands", "市场 = 租户自有品牌之和";
    star_by_rule: "star products by rule: no flag supplied", "按规则认定优质货品：未提供标记";
    purchases_from_behaviors: "purchases from behaviours: no order lines", "以行为推断购买：无订单数据";
}

impl Words {
    /// The name of a stage, `OUT`, `A`, `I`, `P` or `L`; another name stays as it is.
    #[must_use]
    pub fn stage<'a>(&'a self, stage: &'a str) -> &'a str {
        match stage {
            "OUT" => self.stage_out,
            "A" => self.stage_a,
            "I" => self.stage_i,
            "P" => self.stage_p,
            "L" => self.stage_l,
            other => other,
        }
    }

    /// Why there is no value; empty when there is one.
    #[must_use]
    pub fn absence(&self, absence: Absence) -> &'static str {
        match absence {
            Absence::Unspecified => "",
            Absence::NoDenominator => self.no_denominator,
            Absence::NoData => self.no_data,
            Absence::SignalNotSupplied => self.signal_not_supplied,
            Absence::TooFewPeers => self.too_few_peers,
            Absence::ServiceUnavailable => self.service_unavailable,
            Absence::Undetermined => self.undetermined,
        }
    }

    /// Why there is no interval; empty when there is one, or no value either.
    #[must_use]
    pub fn interval_absence(&self, absence: IntervalAbsence) -> &'static str {
        match absence {
            IntervalAbsence::PlainCount => self.plain_count,
            IntervalAbsence::ExactIdentity => self.exact_identity,
            IntervalAbsence::NoUnitData => self.no_unit_data,
            IntervalAbsence::Unspecified | IntervalAbsence::NoValue => "",
        }
    }

    /// How an interval was computed.
    #[must_use]
    pub fn method(&self, method: IntervalMethod) -> &'static str {
        match method {
            IntervalMethod::Unspecified => "",
            IntervalMethod::Wilson => self.wilson,
            IntervalMethod::Bootstrap => self.bootstrap,
            IntervalMethod::Normal => self.normal,
        }
    }

    /// What a label of a metric says; an unknown one stays as it is.
    #[must_use]
    pub fn label<'a>(&self, label: &'a str) -> &'a str {
        match label {
            "REACHABILITY_ASSUMED" => self.reachability_assumed,
            "DWELL_ASSUMED" => self.dwell_assumed,
            "MARKET_FROM_TENANT_BRANDS" => self.market_from_tenant,
            "STAR_BY_RULE" => self.star_by_rule,
            "PURCHASES_FROM_BEHAVIORS" => self.purchases_from_behaviors,
            other => other,
        }
    }

    /// Where a definition's formula comes from.
    #[must_use]
    pub fn grade<'a>(&self, grade: &'a str) -> &'a str {
        match grade {
            "pub" => self.grade_pub,
            "com" => self.grade_com,
            "own" => self.grade_own,
            other => other,
        }
    }

    /// Which way a metric is better.
    #[must_use]
    pub fn better(&self, better: &str) -> &'static str {
        match better {
            "higher" => self.higher,
            "lower" => self.lower,
            _ => self.neither,
        }
    }

    /// A missing part that is no metric: an answer kept for a picture or the appendix. `None` for a metric.
    #[must_use]
    pub fn picture(&self, part: &str) -> Option<&'static str> {
        match part {
            "aipl" => Some(self.picture_aipl),
            "flow" => Some(self.picture_flow),
            "definitions" => Some(self.picture_definitions),
            _ => None,
        }
    }

    /// A wheel of the scene map.
    #[must_use]
    pub fn wheel<'a>(&self, wheel: &'a str) -> &'a str {
        match wheel {
            "plvm" => self.plvm,
            "clvm" => self.clvm,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_places_once() {
        assert_eq!(fill("{a} of {b}", &[("a", "{b}"), ("b", "2")]), "{b} of 2");
        assert_eq!(fill("open { end", &[]), "open { end");
    }

    #[test]
    fn sentences_have_the_same_places_in_both_languages() {
        let (en, zh) = (
            serde_json::to_value(&EN).unwrap(),
            serde_json::to_value(&ZH).unwrap(),
        );
        for (key, english) in en.as_object().unwrap() {
            let places = |text: &str| {
                let mut places: Vec<String> = text
                    .split('{')
                    .skip(1)
                    .map(|part| part.split('}').next().unwrap().to_owned())
                    .collect();
                places.sort();
                places
            };
            let chinese = zh[key].as_str().unwrap();
            assert_eq!(places(english.as_str().unwrap()), places(chinese), "{key}");
            assert!(!chinese.is_empty(), "{key}");
        }
    }

    #[test]
    fn picks_the_name_that_is_there() {
        assert_eq!(Lang::Zh.pick("Reach", "", "start.reach"), "Reach");
        assert_eq!(Lang::En.pick("", "", "start.reach"), "start.reach");
    }
}

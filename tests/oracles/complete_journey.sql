-- The second calculation for The Complete Journey.
--
-- Every metric of the methodology that this data set can feed, computed from the raw Parquet files
-- in plain DuckDB SQL. It shares no code, no tables and no intermediate results with the engine; its
-- only purpose is to be compared with it. A paragraph sign names the section of the methodology that
-- a query follows; a line that begins with "Choice:" says which reading was taken where the text
-- leaves one open.
--
-- Variables that must be set first (complete_journey.py does it):
--   data_dir      folder with the seven Parquet files
--   brand         manufacturer_id, a whole number                       (part 2 only)
--   window_start  S, first day of the window in the tenant's time zone  (part 2 only)
--   window_end    E, last day of the window, included                   (part 2 only)
--
-- Part 1 derives the facts of all brands, part 2 asks about one brand and one window and may be
-- repeated. The results are the tables `answer` (metric, body as JSON) and `self_check` (name, ok).
-- Money is DECIMAL with four decimals throughout; a body shows it as text.

-- ======================================================================================= part 1: facts

-- ---- shapes of the answers (§0 rule 3: a value with its numerator and denominator, or a reason)

CREATE OR REPLACE TEMP MACRO money(x) AS
    CAST(CAST(x AS DECIMAL(38, 4)) AS VARCHAR);

-- A share of counted people or things.
CREATE OR REPLACE TEMP MACRO share_of_counts(num, den) AS
    CASE WHEN den = 0
         THEN json_object('absent', 'NO_DENOMINATOR', 'numerator', num, 'denominator', den)
         ELSE json_object('value', round(num / den, 12), 'numerator', num, 'denominator', den)
    END;

-- A ratio of two amounts of money.
CREATE OR REPLACE TEMP MACRO ratio_of_money(num, den) AS
    CASE WHEN den = 0
         THEN json_object('absent', 'NO_DENOMINATOR', 'numerator', money(num), 'denominator', money(den))
         ELSE json_object('value', round(CAST(num AS DOUBLE) / CAST(den AS DOUBLE), 12),
                          'numerator', money(num), 'denominator', money(den))
    END;

-- Money per head.
CREATE OR REPLACE TEMP MACRO money_per_head(num, den) AS
    CASE WHEN den = 0
         THEN json_object('absent', 'NO_DENOMINATOR', 'numerator', money(num), 'denominator', den)
         ELSE json_object('value', round(CAST(num AS DOUBLE) / den, 12),
                          'numerator', money(num), 'denominator', den)
    END;

CREATE OR REPLACE TEMP MACRO plain_count(n) AS json_object('value', n);
CREATE OR REPLACE TEMP MACRO absent(reason) AS json_object('absent', reason);

-- §0 rule 2: the calendar day of a UTC instant in the tenant's zone.
CREATE OR REPLACE TEMP MACRO tenant_day(utc) AS
    CAST((utc AT TIME ZONE 'UTC') AT TIME ZONE 'America/New_York' AS DATE);

-- §2.4: logarithmic mean of two positive numbers.
CREATE OR REPLACE TEMP MACRO log_mean(a, b) AS
    CASE WHEN a = b THEN a ELSE (b - a) / ln(b / a) END;

-- ---- orders

-- §0 rule 8, §1 OrderLine. Lines whose product is not in the product file have no brand and belong
-- to no brand's facts.
-- list_price: price per unit before the loyalty discount, rounded half up to four decimals; all
-- inputs are whole cents, so it is worked out in whole ten-thousandths without floating point.
-- There are no returns or refunds, so paid_amount is net GMV.
CREATE OR REPLACE TEMP TABLE order_line AS
WITH raw AS (
    SELECT *,
           CAST(sales_value AS DECIMAL(18, 4)) AS paid,
           CAST(round((CAST(sales_value AS DECIMAL(18, 4))
                     + CAST(retail_disc AS DECIMAL(18, 4))
                     + CAST(coupon_match_disc AS DECIMAL(18, 4))) * 10000) AS BIGINT) AS shelf_total
    FROM read_parquet(getvariable('data_dir') || '/transactions.parquet')
)
SELECT r.basket_id AS order_id,
       row_number() OVER (
           PARTITION BY r.basket_id
           ORDER BY r.product_id, r.household_id, r.store_id, r.quantity, r.sales_value, r.retail_disc,
                    r.coupon_disc, r.coupon_match_disc, r.week, r.transaction_timestamp) AS line,
       r.household_id AS consumer,
       p.manufacturer_id AS brand,
       r.product_id AS product,
       r.quantity AS quantity,
       r.paid AS paid_amount,
       CASE WHEN r.quantity > 0
            THEN CAST((2 * r.shelf_total + r.quantity) // (2 * r.quantity) AS DECIMAL(14, 0))
                 * CAST(0.0001 AS DECIMAL(4, 4))
       END AS list_price,
       r.transaction_timestamp AS paid_at,
       tenant_day(r.transaction_timestamp) AS day
FROM raw r
JOIN read_parquet(getvariable('data_dir') || '/products.parquet') p ON p.product_id = r.product_id;

-- ---- products

-- §1 Product, §0 rule 9. The path is department, product_category, product_type, cut at the first
-- NULL; as a list, so that a slash inside a name is no separator. `category` is the path cut at
-- category_level 2; a shorter path counts whole; no path at all is a category of its own, [].
-- launched_on: day of the first sale where that is after 2017-03-31, otherwise 2016-01-01, which
-- stands for "long ago".
-- Choice: a sale is a purchase (quantity > 0, §0 rule 8); a line with quantity 0 launches nothing.
CREATE OR REPLACE TEMP TABLE product AS
WITH first_sale AS (
    SELECT product, min(day) AS first_day FROM order_line WHERE quantity > 0 GROUP BY product
)
SELECT p.product_id AS product,
       p.manufacturer_id AS brand,
       CASE WHEN p.department IS NULL THEN []
            WHEN p.product_category IS NULL THEN [p.department]
            WHEN p.product_type IS NULL THEN [p.department, p.product_category]
            ELSE [p.department, p.product_category, p.product_type]
       END AS path,
       path[1:2] AS category,
       CASE WHEN f.first_day > DATE '2017-03-31' THEN f.first_day ELSE DATE '2016-01-01' END AS launched_on
FROM read_parquet(getvariable('data_dir') || '/products.parquet') p
LEFT JOIN first_sale f ON f.product = p.product_id;

-- ---- behaviours

-- §1 Behaviour. Both kinds are dated 12:00 UTC of a date, which is that same date in New York.
--   a campaign received  -> EXPOSURE (passive) of each brand that has a product among its coupons
--   a coupon redeemed    -> BENEFIT_CLAIM (active) of each brand that coupon is for in that campaign
CREATE OR REPLACE TEMP TABLE behaviour AS
WITH coupon AS (
    SELECT DISTINCT c.campaign_id, c.coupon_upc, p.brand
    FROM read_parquet(getvariable('data_dir') || '/coupons.parquet') c
    JOIN product p ON p.product = c.product_id
),
campaign_brand AS (
    SELECT DISTINCT campaign_id, brand FROM coupon
)
SELECT r.household_id AS consumer, b.brand, 'EXPOSURE' AS kind, 'passive' AS class,
       tenant_day(d.start_date + INTERVAL 12 HOURS) AS day
FROM read_parquet(getvariable('data_dir') || '/campaigns.parquet') r
JOIN read_parquet(getvariable('data_dir') || '/campaign_descriptions.parquet') d
     ON d.campaign_id = r.campaign_id
JOIN campaign_brand b ON b.campaign_id = r.campaign_id
UNION ALL
SELECT r.household_id, c.brand, 'BENEFIT_CLAIM', 'active',
       tenant_day(r.redemption_date + INTERVAL 12 HOURS)
FROM read_parquet(getvariable('data_dir') || '/coupon_redemptions.parquet') r
JOIN coupon c ON c.campaign_id = r.campaign_id AND c.coupon_upc = r.coupon_upc;

-- ---- members

-- §1 Member. A household with demographics is a member of each brand it ever bought, from its first
-- purchase of that brand; it never leaves; reachability is not supplied. The demographics are
-- otherwise the consumer profile, which no metric below reads.
CREATE OR REPLACE TEMP TABLE member AS
SELECT l.consumer, l.brand, min(l.day) AS joined_on
FROM order_line l
WHERE l.quantity > 0
  AND l.consumer IN (SELECT household_id FROM read_parquet(getvariable('data_dir') || '/demographics.parquet'))
GROUP BY l.consumer, l.brand;

-- ============================================================ part 2: one brand and one window

CREATE OR REPLACE TEMP TABLE answer (metric VARCHAR PRIMARY KEY, body JSON);
CREATE OR REPLACE TEMP TABLE self_check (name VARCHAR PRIMARY KEY, ok BOOLEAN);

CREATE OR REPLACE TEMP MACRO s() AS CAST(getvariable('window_start') AS DATE);
CREATE OR REPLACE TEMP MACRO e() AS CAST(getvariable('window_end') AS DATE);
-- First day of the preceding window of the same length (§2.4 period 0), which ends on S-1.
CREATE OR REPLACE TEMP MACRO s0() AS s() - CAST(e() - s() + 1 AS INTEGER);

CREATE OR REPLACE TEMP TABLE brand_line AS
SELECT l.*, p.category, p.launched_on
FROM order_line l JOIN product p ON p.product = l.product
WHERE l.brand = getvariable('brand');

CREATE OR REPLACE TEMP TABLE brand_behaviour AS
SELECT consumer, kind, class, day FROM behaviour WHERE brand = getvariable('brand');

CREATE OR REPLACE TEMP TABLE brand_member AS
SELECT consumer, joined_on FROM member WHERE brand = getvariable('brand');

-- Days on which a consumer purchased the brand (§0 rule 8: a line with quantity > 0).
CREATE OR REPLACE TEMP TABLE purchase_day AS
SELECT DISTINCT consumer, day FROM brand_line WHERE quantity > 0;

CREATE OR REPLACE TEMP TABLE window_line AS
SELECT * FROM brand_line WHERE day BETWEEN s() AND e();

-- ---- §2.1 stages

-- The stage of everybody on day d; who is in none is not listed. A window of n days ending on d is
-- [d-n+1, d]. There are no loyal behaviours in this data, so the second way into L never opens, and
-- no BROWSE, so nothing moves between passive and active.
CREATE OR REPLACE TEMP MACRO stage_on(d) AS TABLE
WITH purchases AS (
    SELECT consumer,
           count(DISTINCT day) FILTER (WHERE day BETWEEN d - 364 AND d) AS days_in_365,
           count(DISTINCT day) FILTER (WHERE day BETWEEN d - 912 AND d) AS days_in_913
    FROM purchase_day GROUP BY consumer
),
acts AS (
    SELECT consumer,
           count(*) FILTER (WHERE class = 'active')  AS active_in_15,
           count(*) FILTER (WHERE class = 'passive') AS passive_in_15
    FROM brand_behaviour WHERE day BETWEEN d - 14 AND d GROUP BY consumer
),
relation AS (
    SELECT consumer FROM brand_member WHERE joined_on <= d
),
everybody AS (
    SELECT consumer FROM purchases UNION SELECT consumer FROM acts UNION SELECT consumer FROM relation
),
ranked AS (
    SELECT c.consumer,
           CASE WHEN coalesce(p.days_in_365, 0) >= 2 THEN 4
                WHEN coalesce(p.days_in_913, 0) >= 1 THEN 3
                WHEN coalesce(a.active_in_15, 0) >= 1 OR r.consumer IS NOT NULL THEN 2
                WHEN coalesce(a.passive_in_15, 0) >= 1 THEN 1
                ELSE 0
           END AS depth
    FROM everybody c
    LEFT JOIN purchases p ON p.consumer = c.consumer
    LEFT JOIN acts a ON a.consumer = c.consumer
    LEFT JOIN relation r ON r.consumer = c.consumer
)
SELECT consumer, depth FROM ranked WHERE depth > 0;

-- Depth 0..4 = OUT, A, I, P, L, on S-1 and on E, for everybody who is in a stage on either day.
CREATE OR REPLACE TEMP TABLE move AS
SELECT coalesce(b.consumer, n.consumer) AS consumer,
       coalesce(b.depth, 0) AS before, coalesce(n.depth, 0) AS now
FROM stage_on(s() - 1) b
FULL JOIN stage_on(e()) n ON n.consumer = b.consumer;

CREATE OR REPLACE TEMP TABLE stage_name AS
SELECT * FROM (VALUES (0, 'OUT', NULL), (1, 'A', 'awareness'), (2, 'I', 'interest'),
                      (3, 'P', 'purchase'), (4, 'L', 'loyalty')) AS t(depth, code, word);

-- aipl.*: `value` on E, `before` on S-1.
INSERT INTO answer
SELECT 'aipl.' || word,
       json_object('value',  (SELECT count(*) FROM move WHERE now = depth),
                   'before', (SELECT count(*) FROM move WHERE before = depth))
FROM stage_name WHERE depth > 0;

-- ---- §2.2 flow between S-1 and E; OUT -> OUT is no count
INSERT INTO answer
WITH cell AS (
    SELECT f.depth AS f, f.code AS source, t.depth AS t, t.code AS target,
           (SELECT count(*) FROM move WHERE before = f.depth AND now = t.depth) AS n
    FROM stage_name f CROSS JOIN stage_name t
    WHERE f.depth > 0 OR t.depth > 0
)
SELECT 'aipl.flow',
       json_object(
           'from', CAST(s() - 1 AS VARCHAR), 'to', CAST(e() AS VARCHAR),
           'cells',    (SELECT json_group_object(source || '>' || target, n) FROM cell),
           'advanced', (SELECT count(*) FROM move WHERE before > 0 AND now > before),
           'stayed',   (SELECT count(*) FROM move WHERE before > 0 AND now = before),
           'fell_back',(SELECT count(*) FROM move WHERE now > 0 AND now < before),
           'lost',     (SELECT count(*) FROM move WHERE before > 0 AND now = 0),
           'gained',   (SELECT count(*) FROM move WHERE before = 0 AND now > 0));

-- ---- §2.3 FAST

-- F: in any stage on any day of [S, E].
CREATE OR REPLACE TEMP TABLE fertile AS
SELECT consumer FROM brand_behaviour WHERE day BETWEEN s() - 14 AND e()
UNION
SELECT consumer FROM purchase_day WHERE day BETWEEN s() - 912 AND e()
UNION
SELECT consumer FROM brand_member WHERE joined_on <= e();

INSERT INTO answer SELECT 'fast.fertility', plain_count((SELECT count(*) FROM fertile));

-- A: in A, I or P on S-1 and deeper on E, over everybody in A, I, P or L on S-1; then per stage.
INSERT INTO answer
SELECT 'fast.advancing',
       share_of_counts(count(*) FILTER (WHERE before BETWEEN 1 AND 3 AND now > before),
                       count(*) FILTER (WHERE before BETWEEN 1 AND 4))
FROM move;

-- Choice: over the people of that one stage on S-1.
INSERT INTO answer
SELECT 'fast.advancing.' || word,
       share_of_counts((SELECT count(*) FROM move WHERE before = depth AND now > before),
                       (SELECT count(*) FROM move WHERE before = depth))
FROM stage_name WHERE depth BETWEEN 1 AND 3;

-- S: distinct people with a role on E. The only role here is member.
CREATE OR REPLACE TEMP TABLE member_on_e AS
SELECT consumer FROM brand_member WHERE joined_on <= e();

INSERT INTO answer SELECT 'fast.superiority', plain_count((SELECT count(*) FROM member_on_e));

-- T: of S, who has an active behaviour or a purchase in the 180 days ending on E.
INSERT INTO answer
WITH active AS (
    SELECT consumer FROM purchase_day WHERE day BETWEEN e() - 179 AND e()
    UNION
    SELECT consumer FROM brand_behaviour WHERE class = 'active' AND day BETWEEN e() - 179 AND e()
)
SELECT 'fast.thriving',
       share_of_counts((SELECT count(*) FROM member_on_e WHERE consumer IN (SELECT consumer FROM active)),
                       (SELECT count(*) FROM member_on_e));

-- ---- §2.4 GROW: [S, E] against the window of the same length that ends on S-1

CREATE OR REPLACE TEMP TABLE period_line AS
SELECT 0 AS period, s0() AS starts, * FROM brand_line WHERE day BETWEEN s0() AND s() - 1
UNION ALL
SELECT 1, s(), * FROM brand_line WHERE day BETWEEN s() AND e();

-- Buyers of a period are new when they did not purchase the brand in the 913 days before it.
CREATE OR REPLACE TEMP TABLE period_buyer AS
SELECT DISTINCT l.period, l.category, l.consumer,
       NOT EXISTS (SELECT 1 FROM purchase_day d
                   WHERE d.consumer = l.consumer AND d.day BETWEEN l.starts - 913 AND l.starts - 1) AS is_new
FROM period_line l WHERE l.quantity > 0;

-- One row per category and period in which the brand has any line there ("present").
-- Choice: list price is missing when a line with quantity > 0 has none; a line with quantity 0 has no
-- unit price and takes no part in the split.
CREATE OR REPLACE TEMP TABLE category_period AS
SELECT l.period, l.category,
       sum(l.paid_amount) AS gmv,
       sum(l.quantity) AS units,
       (SELECT count(*) FROM period_buyer b
        WHERE b.period = l.period AND b.category = l.category) AS buyers,
       (SELECT count(*) FROM period_buyer b
        WHERE b.period = l.period AND b.category = l.category AND b.is_new) AS new_buyers,
       coalesce(sum(l.list_price * l.quantity) FILTER (WHERE l.quantity > 0), 0) AS list_total,
       count(*) FILTER (WHERE l.quantity > 0 AND l.list_price IS NULL) AS list_missing
FROM period_line l GROUP BY l.period, l.category;

-- One row per category with both sides. kind: entered, left (W), continuing (G, R, O), unexplained (U).
CREATE OR REPLACE TEMP TABLE grow_category AS
SELECT coalesce(c0.category, c1.category) AS category,
       CASE WHEN c0.category IS NULL THEN 'entered'
            WHEN c1.category IS NULL THEN 'left'
            WHEN c0.gmv > 0 AND c1.gmv > 0 AND c0.units > 0 AND c1.units > 0 THEN 'continuing'
            ELSE 'unexplained'
       END AS kind,
       coalesce(c0.gmv, 0) AS gmv0, coalesce(c1.gmv, 0) AS gmv1,
       CAST(c0.gmv AS DOUBLE) AS m0, CAST(c1.gmv AS DOUBLE) AS m1,
       CAST(c0.units AS DOUBLE) AS u0, CAST(c1.units AS DOUBLE) AS u1,
       CAST(c0.buyers AS DOUBLE) AS n0, CAST(c1.buyers AS DOUBLE) AS n1,
       CAST(c0.new_buyers AS DOUBLE) AS new0, CAST(c1.new_buyers AS DOUBLE) AS new1,
       CAST(c0.list_total AS DOUBLE) AS l0, CAST(c1.list_total AS DOUBLE) AS l1,
       c0.list_missing + c1.list_missing AS list_missing
FROM (SELECT * FROM category_period WHERE period = 0) c0
FULL JOIN (SELECT * FROM category_period WHERE period = 1) c1 ON c1.category = c0.category;

-- The factors of each continuing category: N buyers, Q = units / N, P = GMV / units,
-- list = Σ list_price·units / Σ units, rate = P / list.
CREATE OR REPLACE TEMP TABLE grow_factor AS
SELECT category,
       log_mean(m0, m1) AS lm,
       lm * ln(n1 / n0) AS gain,
       lm * ln((u1 / n1) / (u0 / n0)) AS retain,
       lm * ln((m1 / u1) / (m0 / u0)) AS boost,
       lm / log_mean(n0, n1) * (new1 - new0) AS gain_new,
       lm / log_mean(n0, n1) * ((n1 - new1) - (n0 - new0)) AS gain_existing,
       list_missing > 0 OR l0 <= 0 OR l1 <= 0 AS no_split,
       CASE WHEN NOT no_split THEN lm * ln((l1 / u1) / (l0 / u0)) END AS boost_list,
       CASE WHEN NOT no_split THEN lm * ln((m1 / l1) / (m0 / l0)) END AS boost_discount
FROM grow_category WHERE kind = 'continuing';

-- Sums before rounding, in a fixed order.
CREATE OR REPLACE TEMP TABLE grow_raw AS
SELECT (SELECT coalesce(sum(gmv1), 0) FROM grow_category) AS gmv1,
       (SELECT coalesce(sum(gmv0), 0) FROM grow_category) AS gmv0,
       (SELECT coalesce(sum(gmv1 - gmv0), 0) FROM grow_category WHERE kind IN ('entered', 'left')) AS widen,
       (SELECT coalesce(sum(gmv1 - gmv0), 0) FROM grow_category WHERE kind = 'unexplained') AS unexplained,
       coalesce(sum(gain ORDER BY category), 0) AS gain,
       coalesce(sum(retain ORDER BY category), 0) AS retain,
       coalesce(sum(boost ORDER BY category), 0) AS boost,
       coalesce(sum(gain_new ORDER BY category), 0) AS gain_new,
       coalesce(sum(gain_existing ORDER BY category), 0) AS gain_existing,
       coalesce(bool_or(no_split), false) AS no_split,
       coalesce(sum(boost_list ORDER BY category), 0) AS boost_list,
       coalesce(sum(boost_discount ORDER BY category), 0) AS boost_discount
FROM grow_factor;

-- Rounded to the cent; what rounding leaves over goes to the largest term.
-- Choice: largest by absolute value; on a tie the first of G, R, O, W, U.
CREATE OR REPLACE TEMP TABLE grow_part AS
WITH part AS (
    SELECT 1 AS rank, 'grow.gain' AS metric, gain AS raw FROM grow_raw
    UNION ALL SELECT 2, 'grow.retain', retain FROM grow_raw
    UNION ALL SELECT 3, 'grow.boost', boost FROM grow_raw
    UNION ALL SELECT 4, 'grow.widen', CAST(widen AS DOUBLE) FROM grow_raw
    UNION ALL SELECT 5, 'grow.unexplained', CAST(unexplained AS DOUBLE) FROM grow_raw
),
rounded AS (
    SELECT *, CAST(raw AS DECIMAL(18, 2)) AS cents,
           row_number() OVER (ORDER BY abs(raw) DESC, rank) = 1 AS is_largest
    FROM part
),
residual AS (
    SELECT (SELECT CAST(gmv1 - gmv0 AS DECIMAL(18, 2)) FROM grow_raw) - sum(cents) AS amount FROM rounded
)
SELECT metric, raw, cents + CASE WHEN is_largest THEN amount ELSE 0 END AS value, amount AS residual
FROM rounded CROSS JOIN residual;

-- `raw` is the sum before rounding.
INSERT INTO answer
SELECT metric, json_object('value', money(value), 'raw', round(raw, 8)) FROM grow_part;

INSERT INTO answer SELECT 'grow.gmv0', json_object('value', money(gmv0)) FROM grow_raw;
INSERT INTO answer SELECT 'grow.gmv1', json_object('value', money(gmv1)) FROM grow_raw;
INSERT INTO answer SELECT 'grow.delta', json_object('value', money(gmv1 - gmv0)) FROM grow_raw;
INSERT INTO answer SELECT DISTINCT 'grow.residual', json_object('value', money(residual)) FROM grow_part;

-- Choice: the splits are rounded to four decimals and are not forced to add up to the rounded whole.
INSERT INTO answer
SELECT 'grow.gain.new', json_object('value', money(gain_new), 'raw', round(gain_new, 8)) FROM grow_raw
UNION ALL
SELECT 'grow.gain.existing', json_object('value', money(gain_existing), 'raw', round(gain_existing, 8))
FROM grow_raw;

-- Choice: a missing list price in one continuing category leaves the whole of O without a split.
INSERT INTO answer
SELECT 'grow.boost.list',
       CASE WHEN no_split THEN absent('NO_DATA')
            ELSE json_object('value', money(boost_list), 'raw', round(boost_list, 8)) END
FROM grow_raw
UNION ALL
SELECT 'grow.boost.discount',
       CASE WHEN no_split THEN absent('NO_DATA')
            ELSE json_object('value', money(boost_discount), 'raw', round(boost_discount, 8)) END
FROM grow_raw;

-- New-product power: share of GMV (grow.new_product), share of new customers, launches. A line is of a
-- new product when it is sold at most 90 days after the launch (§3.2 P; a sale before the launch
-- counts as new).
-- Choice: a new customer is a buyer of [S, E] with no purchase of the brand in the 913 days before S;
-- they come "from" new products when they purchased one, in its novelty window, within [S, E].
INSERT INTO answer
SELECT 'grow.new_product',
       ratio_of_money(coalesce(sum(paid_amount) FILTER (WHERE day - launched_on <= 90), 0),
                      coalesce(sum(paid_amount), 0))
FROM window_line;

INSERT INTO answer
WITH new_customer AS (
    SELECT DISTINCT consumer FROM window_line w
    WHERE quantity > 0
      AND NOT EXISTS (SELECT 1 FROM purchase_day d
                      WHERE d.consumer = w.consumer AND d.day BETWEEN s() - 913 AND s() - 1)
),
bought_new AS (
    SELECT DISTINCT consumer FROM window_line WHERE quantity > 0 AND day - launched_on <= 90
)
SELECT 'grow.new_product.new_customers',
       share_of_counts((SELECT count(*) FROM new_customer
                        WHERE consumer IN (SELECT consumer FROM bought_new)),
                       (SELECT count(*) FROM new_customer));

-- Launches in [S, E], and per calendar month; a month without a launch is not listed.
INSERT INTO answer
WITH launch AS (
    SELECT strftime(launched_on, '%Y-%m') AS month, count(*) AS n
    FROM product WHERE brand = getvariable('brand') AND launched_on BETWEEN s() AND e() GROUP BY ALL
)
SELECT 'grow.new_product.launches',
       json_object('value', coalesce((SELECT sum(n)::BIGINT FROM launch), 0),
                   'by_month', coalesce((SELECT json_group_object(month, n) FROM launch), '{}'::JSON));

-- ---- §3.2 SUPER

-- S: no star flag is supplied, so a product counts when it passes at least two of the available tests.
-- Conversion needs visitors (not supplied) and positive reviews need reviews (not supplied). Left are
-- GMV at or above P80 of its category, and refund rate at or below the median.
-- Choice: a product is on sale on E when it is launched by E and not delisted (§3.1), sold or not.
-- Choice: P80 is over all products on sale of that category (level 2) of all brands of the tenant,
-- with linear interpolation; a product that sold nothing in [S, E] has GMV 0.
-- Choice: the refund test is available where the rate has a denominator, i.e. GMV in [S, E]; nothing
-- is ever refunded, so every rate is 0, as is the median, and each product with GMV passes.
CREATE OR REPLACE TEMP TABLE product_on_sale AS
WITH sold AS (
    SELECT product, sum(paid_amount) AS gmv FROM order_line WHERE day BETWEEN s() AND e() GROUP BY product
)
SELECT p.product, p.brand, p.category, coalesce(sold.gmv, 0) AS gmv
FROM product p LEFT JOIN sold ON sold.product = p.product
WHERE p.launched_on <= e();

INSERT INTO answer
WITH bar AS (
    SELECT category, quantile_cont(CAST(gmv AS DOUBLE), 0.8) AS p80 FROM product_on_sale GROUP BY category
)
SELECT 'super.star',
       share_of_counts(count(*) FILTER (WHERE CAST(o.gmv AS DOUBLE) >= b.p80 AND o.gmv > 0), count(*))
FROM product_on_sale o JOIN bar b ON b.category = o.category
WHERE o.brand = getvariable('brand');

-- U: buyers over visitors; no visitor behaviour exists at all (§0 rule 8).
INSERT INTO answer SELECT 'super.conversion', absent('SIGNAL_NOT_SUPPLIED');

-- P: GMV of products launched at most 90 days before the sale, over GMV.
INSERT INTO answer
SELECT 'super.novelty',
       ratio_of_money(coalesce(sum(paid_amount) FILTER (WHERE day - launched_on <= 90), 0),
                      coalesce(sum(paid_amount), 0))
FROM window_line;

-- ---- §5.1 FAST+

-- Capital: anyone with a role on E; permitted channels are not supplied, so all count, labelled.
INSERT INTO answer
SELECT 'plus.capital',
       json_object('value', (SELECT count(*) FROM member_on_e), 'label', 'REACHABILITY_ASSUMED');

-- Conversion: with a role on S-1, and a deeper one on E. There is one role, so nobody deepens.
-- Choice: recruits have no role on S-1 and one on E; leavers the other way round (nobody leaves here).
INSERT INTO answer
WITH had AS (
    SELECT consumer FROM brand_member WHERE joined_on <= s() - 1
)
SELECT 'plus.conversion',
       json_merge_patch(
           share_of_counts(0, (SELECT count(*) FROM had)),
           json_object('recruits', (SELECT count(*) FROM member_on_e
                                    WHERE consumer NOT IN (SELECT consumer FROM had)),
                       'leavers', 0));

-- Connection: of Capital, who has an active behaviour or a purchase in [S, E].
-- Choice: no fact names a venue, so the share is over any venue or none, and the shares per venue and
-- the mean number of venues are not supplied.
INSERT INTO answer
WITH active AS (
    SELECT consumer FROM purchase_day WHERE day BETWEEN s() AND e()
    UNION
    SELECT consumer FROM brand_behaviour WHERE class = 'active' AND day BETWEEN s() AND e()
)
SELECT 'plus.connection',
       json_merge_patch(
           share_of_counts((SELECT count(*) FROM member_on_e
                            WHERE consumer IN (SELECT consumer FROM active)),
                           (SELECT count(*) FROM member_on_e)),
           json_object('by_venue', absent('SIGNAL_NOT_SUPPLIED'),
                       'mean_venues', absent('SIGNAL_NOT_SUPPLIED')));

-- CLV: net GMV of the people of Capital in [S, E], per person of Capital. All of them are members.
INSERT INTO answer
WITH spent AS (
    SELECT coalesce(sum(paid_amount), 0) AS gmv FROM window_line
    WHERE consumer IN (SELECT consumer FROM member_on_e)
)
SELECT 'plus.clv', money_per_head((SELECT gmv FROM spent), (SELECT count(*) FROM member_on_e));

-- ---- §6.1 NEO, sOlidity

-- premium: brand GMV over what its units would have made at the market's price, category by category.
-- §3.3: with no market facts the market is the sum of the tenant's own brands, this one included.
-- Choice: the market price is the market's GMV over its units in the category (level 2) in [S, E]; a
-- category without market units adds nothing below the line.
INSERT INTO answer
WITH market AS (
    SELECT p.category, CAST(sum(l.paid_amount) AS DOUBLE) / nullif(sum(l.quantity), 0) AS price
    FROM order_line l JOIN product p ON p.product = l.product
    WHERE l.day BETWEEN s() AND e() GROUP BY p.category
),
own AS (
    SELECT category, sum(paid_amount) AS gmv, sum(quantity) AS units FROM window_line GROUP BY category
)
SELECT 'neo.solidity.premium',
       CASE WHEN coalesce(sum(o.units * m.price), 0) = 0
            THEN json_object('absent', 'NO_DENOMINATOR', 'label', 'MARKET_FROM_TENANT_BRANDS')
            ELSE json_object('value', round(CAST(sum(o.gmv) AS DOUBLE)
                                            / sum(o.units * m.price ORDER BY o.category), 12),
                             'numerator', money(sum(o.gmv)),
                             'denominator', money(sum(o.units * m.price ORDER BY o.category)),
                             'label', 'MARKET_FROM_TENANT_BRANDS')
       END
FROM own o JOIN market m ON m.category = o.category;

-- full_price: GMV over what each product's units would have made at that product's highest unit price
-- of the 365 days ending on E. Unit price = paid_amount / quantity (§1), not rounded.
INSERT INTO answer
WITH highest AS (
    SELECT product, max(CAST(paid_amount AS DOUBLE) / quantity) AS price
    FROM brand_line WHERE quantity > 0 AND day BETWEEN e() - 364 AND e() GROUP BY product
),
own AS (
    SELECT product, sum(paid_amount) AS gmv, sum(quantity) AS units FROM window_line GROUP BY product
)
SELECT 'neo.solidity.full_price',
       CASE WHEN coalesce(sum(o.units * h.price), 0) = 0 THEN absent('NO_DENOMINATOR')
            ELSE json_object('value', round(CAST(sum(o.gmv) AS DOUBLE)
                                            / sum(o.units * h.price ORDER BY o.product), 12),
                             'numerator', money(sum(o.gmv)),
                             'denominator', money(sum(o.units * h.price ORDER BY o.product)))
       END
FROM own o LEFT JOIN highest h ON h.product = o.product;

-- conversion: buyers over visitors; no visitor behaviour exists at all.
INSERT INTO answer SELECT 'neo.solidity.conversion', absent('SIGNAL_NOT_SUPPLIED');

-- repurchase: buyers with at least two purchase days in the 365 days ending on E, over buyers there.
INSERT INTO answer
WITH buyer AS (
    SELECT consumer, count(*) AS days FROM purchase_day WHERE day BETWEEN e() - 364 AND e() GROUP BY consumer
)
SELECT 'neo.solidity.repurchase', share_of_counts(count(*) FILTER (WHERE days >= 2), count(*)) FROM buyer;

-- ---- what must hold whatever the data (§2.2, §2.3, §2.4)

INSERT INTO self_check
SELECT 'flow leaves each stage whole on both days',
       (SELECT bool_and(n = (SELECT count(*) FROM stage_on(s() - 1) x WHERE x.depth = t.depth))
        FROM (SELECT n.depth, (SELECT count(*) FROM move WHERE before = n.depth) AS n
              FROM stage_name n WHERE n.depth > 0) t)
   AND (SELECT bool_and(n = (SELECT count(*) FROM stage_on(e()) x WHERE x.depth = t.depth))
        FROM (SELECT n.depth, (SELECT count(*) FROM move WHERE now = n.depth) AS n
              FROM stage_name n WHERE n.depth > 0) t);

INSERT INTO self_check
SELECT 'flow words add up',
       (SELECT count(*) FROM move)
     = (SELECT CAST(body ->> '$.advanced' AS BIGINT) + CAST(body ->> '$.stayed' AS BIGINT)
             + CAST(body ->> '$.fell_back' AS BIGINT) + CAST(body ->> '$.lost' AS BIGINT)
             + CAST(body ->> '$.gained' AS BIGINT)
        FROM answer WHERE metric = 'aipl.flow');

-- §2.3: fertility again, day by day.
INSERT INTO self_check
WITH d AS (
    SELECT CAST(unnest(generate_series(CAST(s() AS TIMESTAMP), CAST(e() AS TIMESTAMP), INTERVAL 1 DAY)) AS DATE) AS day
),
in_a_stage AS (
    SELECT DISTINCT b.consumer FROM d JOIN brand_behaviour b ON b.day BETWEEN d.day - 14 AND d.day
    UNION
    SELECT DISTINCT p.consumer FROM d JOIN purchase_day p ON p.day BETWEEN d.day - 912 AND d.day
    UNION
    SELECT DISTINCT m.consumer FROM d JOIN brand_member m ON m.joined_on <= d.day
)
SELECT 'fertility agrees with the day by day count',
       (SELECT count(*) FROM in_a_stage) = (SELECT count(*) FROM fertile)
   AND (SELECT count(*) FROM (SELECT consumer FROM in_a_stage INTERSECT SELECT consumer FROM fertile))
     = (SELECT count(*) FROM fertile);

INSERT INTO self_check
SELECT 'GROW parts add up to the change of GMV to the cent',
       (SELECT sum(value) FROM grow_part) = (SELECT gmv1 - gmv0 FROM grow_raw)
   AND abs((SELECT residual FROM grow_part LIMIT 1)) <= 0.03;

INSERT INTO self_check
SELECT 'GROW periods hold all lines of both windows',
       (SELECT gmv1 FROM grow_raw) = (SELECT coalesce(sum(paid_amount), 0) FROM window_line)
   AND (SELECT gmv0 FROM grow_raw)
     = (SELECT coalesce(sum(paid_amount), 0) FROM brand_line WHERE day BETWEEN s0() AND s() - 1);

INSERT INTO self_check
SELECT 'gain and boost splits add up',
       (SELECT abs(gain - gain_new - gain_existing) < 1e-6
           AND (no_split OR abs(boost - boost_list - boost_discount) < 1e-6) FROM grow_raw);

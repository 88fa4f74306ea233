"""SQL of every metric group, with the parameters `$brand`, `$s` (first day) and `$e` (last day).

Each query answers one row; a column is a metric's id, or the id with `/n` and `/d` for numerator and denominator.
Numbers of behaviour kinds and roles are those of the contract. What our services read of the facts is the same:
the latest revision of an order line or member row, the latest row of a product or content.
"""

import re

PASSIVE = "(1, 2, 3, 4)"
BROWSE = "5"
ACTIVE = "(6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22)"
LOYAL = "(21, 22)"
VISIT = "(5, 7, 8, 18, 11)"


def day(instant):
    """Day in Asia/Shanghai, counted from 1970-01-01, as a whole number: no zone to look up."""
    return f"CAST((epoch_us({instant}) + 28800000000) // 86400000000 AS INTEGER)"


def views(folder):
    """A view over the Parquet files of each fact."""
    facts = ["behavior", "order_line", "product", "stock_day", "market_stat", "content", "member"]
    for fact in facts:
        pattern = f"{folder}/{fact}*.parquet"
        yield f"CREATE VIEW {fact} AS SELECT * FROM read_parquet('{pattern}')"


def names(query):
    """Parameters that a query uses."""
    return set(re.findall(r"\$(\w+)", query))


BEHAVIORS = f"""
    SELECT consumer, kind, product, content, venue, dwell_ms, occurred_at AS moment, {day('occurred_at')} AS day
    FROM behavior WHERE brand = $brand"""

LINES = f"""
    SELECT *, {day('paid_at')} AS day, paid_amount - coalesce(refund_amount, 0) AS net,
        quantity - coalesce(returned_quantity, 0) AS units, {day('promised_at')} AS promised_day
    FROM order_line WHERE brand = $brand
    QUALIFY row_number() OVER (PARTITION BY "order", line ORDER BY coalesce(revision, 0) DESC, paid_at DESC,
        paid_amount DESC, quantity DESC, refund_amount DESC, returned_quantity DESC) = 1"""

MEMBERS = f"""
    SELECT consumer, role, {day('joined_at')} AS joined, {day('left_at')} AS "left",
        reachable_by IS NULL OR len(reachable_by) > 0 AS reachable
    FROM member WHERE brand = $brand
    QUALIFY row_number() OVER (PARTITION BY consumer, role, joined_at
        ORDER BY coalesce(revision, 0) DESC, left_at ASC NULLS LAST) = 1"""

PRODUCTS = f"""
    SELECT product, category, star, {day('launched_at')} AS launched, {day('delisted_at')} AS delisted
    FROM product WHERE brand = $brand
    QUALIFY row_number() OVER (PARTITION BY product ORDER BY updated_at DESC, launched_at DESC) = 1"""

STOCK = """
    SELECT product, coalesce(sku, product) AS sku, location, day - DATE '1970-01-01' AS day,
        coalesce(opening, 0) AS opening, coalesce(received, 0) AS received, coalesce(on_hand, 0) AS on_hand
    FROM stock_day WHERE brand = $brand
    QUALIFY row_number() OVER (PARTITION BY coalesce(sku, product), location, day
        ORDER BY opening DESC, received DESC, on_hand DESC, in_transit DESC) = 1"""

LAUNCHES = """
    SELECT product, coalesce(any_value(launched), min(sale), min(stocked)) AS launch,
        any_value(delisted) AS delisted, any_value(star) AS star, bool_or(supplied) AS supplied
    FROM (
        SELECT product, launched, delisted, star, NULL AS sale, NULL AS stocked, TRUE AS supplied FROM products
        UNION ALL
        SELECT product, NULL, NULL, NULL, min(day) FILTER (quantity > 0), NULL, FALSE FROM lines GROUP BY product
        UNION ALL
        SELECT product, NULL, NULL, NULL, NULL, min(day), FALSE FROM stock GROUP BY product)
    GROUP BY product"""


def stages(suffix, on):
    """CTEs that end in `stages{suffix}`: the stage of every consumer who is in one on the day `on`, 1 to 4."""
    return f"""
    acts{suffix} AS (
        SELECT consumer,
            count(*) FILTER (kind IN {PASSIVE} AND day > {on} - 15) > 0 AS passive,
            count(*) FILTER (kind IN {ACTIVE} AND day > {on} - 15) > 0 AS active,
            count(DISTINCT day) FILTER (kind = {BROWSE} AND day > {on} - 15) AS browsed,
            count(*) FILTER (kind IN {LOYAL}) > 0 AS loyal
        FROM behaviors WHERE day BETWEEN {on} - 364 AND {on} GROUP BY consumer),
    buys{suffix} AS (
        SELECT consumer, count(DISTINCT day) FILTER (day > {on} - 365) AS days
        FROM lines WHERE quantity > 0 AND day BETWEEN {on} - 912 AND {on} GROUP BY consumer),
    standing{suffix} AS (
        SELECT DISTINCT consumer FROM members WHERE joined <= {on} AND ("left" IS NULL OR {on} < "left")),
    everyone{suffix} AS (
        SELECT consumer, buys.days, coalesce(acts.loyal, FALSE) AS loyal,
            coalesce(acts.active OR acts.browsed >= 2, FALSE) OR standing.consumer IS NOT NULL AS interested,
            coalesce(acts.passive OR acts.browsed = 1, FALSE) AS aware
        FROM acts{suffix} AS acts FULL JOIN buys{suffix} AS buys USING (consumer)
        FULL JOIN standing{suffix} AS standing USING (consumer)),
    stages{suffix} AS (
        SELECT consumer, CASE WHEN days >= 2 OR (days >= 1 AND loyal) THEN 4 WHEN days IS NOT NULL THEN 3
            WHEN interested THEN 2 ELSE 1 END AS stage
        FROM everyone{suffix} WHERE days IS NOT NULL OR interested OR aware)"""


PEOPLE = f"behaviors AS ({BEHAVIORS}), lines AS ({LINES}), members AS ({MEMBERS})"
FLOW = """
    flow AS (
        SELECT coalesce(before.stage, 0) AS before, coalesce(after.stage, 0) AS after
        FROM stages0 AS before FULL JOIN stages1 AS after USING (consumer))"""

AIPL = f"""
WITH {PEOPLE}, {stages('', '$e')}
SELECT count(*) FILTER (stage = 1) AS "aipl.awareness", count(*) FILTER (stage = 2) AS "aipl.interest",
    count(*) FILTER (stage = 3) AS "aipl.purchase", count(*) FILTER (stage = 4) AS "aipl.loyalty",
    count(*) AS "aipl.total"
FROM stages"""

FLOWS = f"""
WITH {PEOPLE}, {stages('0', '($s - 1)')}, {stages('1', '$e')}, {FLOW}
SELECT count(*) FILTER (before > 0 AND after > before) AS "flow.advanced",
    count(*) FILTER (before > 0 AND after = before) AS "flow.stayed",
    count(*) FILTER (after > 0 AND after < before) AS "flow.fell_back",
    count(*) FILTER (before > 0 AND after = 0) AS "flow.lost",
    count(*) FILTER (before = 0 AND after > 0) AS "flow.gained"
FROM flow"""

FAST = f"""
WITH {PEOPLE}, {stages('0', '($s - 1)')}, {stages('1', '$e')}, {FLOW},
    advancing AS (
        SELECT count(*) FILTER (after > before) AS n, count(*) AS d,
            count(*) FILTER (before = 1 AND after > 1) AS n1, count(*) FILTER (before = 1) AS d1,
            count(*) FILTER (before = 2 AND after > 2) AS n2, count(*) FILTER (before = 2) AS d2,
            count(*) FILTER (before = 3 AND after > 3) AS n3, count(*) FILTER (before = 3) AS d3
        FROM flow WHERE before > 0),
    fertile AS (
        SELECT consumer FROM behaviors
        WHERE day BETWEEN $s - 14 AND $e AND (kind IN {PASSIVE} OR kind IN {ACTIVE} OR kind = {BROWSE})
        UNION
        SELECT consumer FROM lines WHERE quantity > 0 AND day BETWEEN $s - 912 AND $e
        UNION
        SELECT consumer FROM members
        WHERE joined <= $e AND ("left" IS NULL OR ("left" > $s AND "left" > joined))),
    supers AS (
        SELECT consumer FROM members WHERE joined <= $e AND ("left" IS NULL OR $e < "left")
        GROUP BY consumer HAVING max(role) IN (1, 3, 4)),
    active AS (
        SELECT consumer FROM behaviors WHERE day BETWEEN $e - 179 AND $e GROUP BY consumer
        HAVING count(*) FILTER (kind IN {ACTIVE}) > 0 OR count(DISTINCT day) FILTER (kind = {BROWSE}) >= 2
        UNION
        SELECT consumer FROM lines WHERE quantity > 0 AND day BETWEEN $e - 179 AND $e)
SELECT (SELECT count(*) FROM fertile) AS "fast.fertility",
    n AS "fast.advancing/n", d AS "fast.advancing/d",
    n1 AS "fast.advancing.awareness/n", d1 AS "fast.advancing.awareness/d",
    n2 AS "fast.advancing.interest/n", d2 AS "fast.advancing.interest/d",
    n3 AS "fast.advancing.purchase/n", d3 AS "fast.advancing.purchase/d",
    (SELECT count(*) FROM supers) AS "fast.superiority",
    (SELECT count(*) FROM supers SEMI JOIN active USING (consumer)) AS "fast.thriving/n",
    (SELECT count(*) FROM supers) AS "fast.thriving/d"
FROM advancing"""

GROW = f"""
WITH lines AS ({LINES}), products AS ({PRODUCTS}), stock AS ({STOCK}), launches AS ({LAUNCHES}),
    bought AS (
        SELECT consumer, bool_or(day BETWEEN $s - 913 AND $s - 1) AS before_now,
            bool_or(day BETWEEN $s - ($e - $s + 1) - 913 AND $s - ($e - $s + 1) - 1) AS before_base
        FROM lines WHERE quantity > 0 GROUP BY consumer),
    asked AS (
        SELECT lines.consumer, lines.day, lines.net, lines.units, lines.quantity, lines.list_price,
            lines.day >= $s AS now,
            array_to_string(string_split(coalesce(lines.category, products.category, ''), '/')[1:2], '/') AS cut,
            coalesce(lines.day - launch <= 90, FALSE) AS novel,
            CASE WHEN lines.day >= $s THEN NOT coalesce(before_now, FALSE)
                ELSE NOT coalesce(before_base, FALSE) END AS new
        FROM lines LEFT JOIN products USING (product) LEFT JOIN launches USING (product)
        LEFT JOIN bought USING (consumer)
        WHERE lines.day BETWEEN $s - ($e - $s + 1) AND $e),
    cells AS (
        SELECT cut, now, sum(net)::DOUBLE AS gmv, sum(units)::DOUBLE AS units,
            count(DISTINCT consumer) FILTER (quantity > 0)::DOUBLE AS buyers,
            count(DISTINCT consumer) FILTER (quantity > 0 AND new)::DOUBLE AS new_buyers,
            sum(list_price * quantity) FILTER (quantity > 0)::DOUBLE AS listed,
            sum(quantity) FILTER (quantity > 0)::DOUBLE AS bought,
            count(*) FILTER (quantity > 0 AND list_price IS NULL) AS unlisted
        FROM asked GROUP BY cut, now),
    pairs AS (
        SELECT a.gmv AS g0, b.gmv AS g1, a.buyers AS n0, b.buyers AS n1, a.units AS u0, b.units AS u1,
            a.new_buyers AS w0, b.new_buyers AS w1,
            CASE WHEN a.unlisted = 0 AND a.listed > 0 THEN a.listed / a.bought END AS l0,
            CASE WHEN b.unlisted = 0 AND b.listed > 0 THEN b.listed / b.bought END AS l1,
            a.cut IS NOT NULL AND b.cut IS NOT NULL AS stays
        FROM (FROM cells WHERE NOT now) AS a FULL JOIN (FROM cells WHERE now) AS b USING (cut)),
    means AS (
        SELECT *, stays AND g0 > 0 AND g1 > 0 AND u0 > 0 AND u1 > 0 AND n0 > 0 AND n1 > 0 AS sells,
            CASE WHEN NOT sells THEN NULL WHEN g0 = g1 THEN g0 ELSE (g1 - g0) / ln(g1 / g0) END AS mean,
            CASE WHEN NOT sells THEN NULL WHEN n0 = n1 THEN n0 ELSE (n1 - n0) / ln(n1 / n0) END AS mean_buyers
        FROM pairs),
    parts AS (
        SELECT coalesce(sum(g1), 0) AS gmv, coalesce(sum(g0), 0) AS base,
            sum(mean * ln(n1 / n0)) FILTER (sells) AS gain,
            sum(mean / mean_buyers * (w1 - w0)) FILTER (sells) AS gain_new,
            sum(mean / mean_buyers * ((n1 - w1) - (n0 - w0))) FILTER (sells) AS gain_existing,
            sum(mean * ln((u1 / n1) / (u0 / n0))) FILTER (sells) AS retain,
            sum(mean * ln((g1 / u1) / (g0 / u0))) FILTER (sells) AS boost,
            sum(mean * ln(l1 / l0)) FILTER (sells) AS list_price,
            sum(mean * ln((g1 / u1 / l1) / (g0 / u0 / l0))) FILTER (sells) AS discount,
            coalesce(sum(coalesce(g1, 0) - coalesce(g0, 0)) FILTER (NOT stays), 0) AS widen,
            coalesce(sum(g1 - g0) FILTER (stays AND NOT sells), 0) AS unexplained
        FROM means),
    novelty AS (
        SELECT sum(net) FILTER (novel) AS fresh, sum(net) AS total,
            count(DISTINCT consumer) FILTER (new AND novel AND quantity > 0) AS from_new,
            count(DISTINCT consumer) FILTER (new AND quantity > 0) AS new
        FROM asked WHERE now),
    market AS (
        SELECT DISTINCT category, first_day - DATE '1970-01-01' AS first, last_day - DATE '1970-01-01' AS last, buyers
        FROM market_stat
        WHERE coalesce(price_band, '') = '' AND coalesce(attribute_kind, 0) = 0 AND buyers IS NOT NULL
            AND category IN (SELECT cut FROM cells)),
    penetrated AS (
        SELECT market.first >= $s AS now, market.buyers,
            (SELECT count(DISTINCT consumer) FROM asked
             WHERE cut = market.category AND quantity > 0 AND day BETWEEN market.first AND market.last) AS own
        FROM market
        WHERE (market.first >= $s AND market.last <= $e)
            OR (market.first >= $s - ($e - $s + 1) AND market.last < $s)),
    penetration AS (
        SELECT sum(own) FILTER (now) AS own, sum(buyers) FILTER (now) AS whole,
            sum(own) FILTER (NOT now) / sum(buyers) FILTER (NOT now) AS base
        FROM penetrated)
SELECT gmv - parts.base AS "grow.delta_gmv", parts.base AS "grow.gmv_base", gmv AS "grow.gmv", gain AS "grow.gain",
    gain_new AS "grow.gain.new", gain_existing AS "grow.gain.existing", retain AS "grow.retain",
    boost AS "grow.boost", list_price AS "grow.boost.list_price", discount AS "grow.boost.discount",
    widen AS "grow.widen", unexplained AS "grow.unexplained",
    round(gmv - parts.base, 2) - round(gain, 2) - round(retain, 2) - round(boost, 2) - round(widen, 2)
        - round(unexplained, 2) AS "grow.rounding",
    fresh AS "grow.new_product/n", total AS "grow.new_product/d",
    from_new AS "grow.new_product.customers/n", new AS "grow.new_product.customers/d",
    (SELECT count(*) FROM launches WHERE supplied AND launch BETWEEN $s AND $e) AS "grow.new_product.launches",
    own AS "grow.penetration/n", whole AS "grow.penetration/d",
    own / whole - penetration.base AS "grow.penetration_change"
FROM parts, novelty, penetration"""

SUPER = f"""
WITH behaviors AS ({BEHAVIORS}), lines AS ({LINES}), products AS ({PRODUCTS}), stock AS ({STOCK}),
    launches AS ({LAUNCHES}),
    sold AS (FROM lines WHERE day BETWEEN $s AND $e),
    shelf AS (
        SELECT count(*) FILTER (star) AS stars, count(*) AS goods FROM launches
        WHERE launch <= $e AND (delisted IS NULL OR delisted > $e)),
    buyers AS (SELECT DISTINCT consumer FROM sold WHERE quantity > 0),
    visitors AS (
        SELECT consumer FROM behaviors WHERE kind IN {VISIT} AND product IS NOT NULL AND day BETWEEN $s AND $e
        UNION FROM buyers),
    novelty AS (
        SELECT sum(net) FILTER (day - launch <= 90) AS fresh, sum(net) AS total
        FROM sold LEFT JOIN launches USING (product)),
    days AS (
        SELECT *, min(day) OVER (PARTITION BY sku) AS first, max(day) OVER (PARTITION BY sku) AS last
        FROM stock WHERE day BETWEEN $s AND $e),
    skus AS (
        SELECT sku, sum(opening) FILTER (day = first) + sum(received) AS available,
            sum(on_hand) FILTER (day = last) AS left
        FROM days GROUP BY sku),
    sales AS (SELECT coalesce(sku, product) AS sku, sum(units) AS units FROM sold GROUP BY ALL),
    shelves AS (
        SELECT sum(coalesce(units, 0)) AS units, sum(available) AS available,
            count(*) FILTER ("left" = 0) AS gone, count(*) AS skus
        FROM skus LEFT JOIN sales USING (sku)),
    sent AS (
        SELECT *, (epoch_us(dispatched_at) - epoch_us(paid_at)) / 3600000000 AS dispatch,
            (epoch_us(delivered_at) - epoch_us(paid_at)) / 3600000000 AS delivery
        FROM sold
        WHERE quantity > 0
            AND NOT coalesce(cancelled_at < dispatched_at OR (dispatched_at IS NULL AND cancelled_at IS NOT NULL),
                FALSE)),
    promises AS (
        SELECT count(*) FILTER (delivered_at <= promised_at) AS kept, count(*) AS due
        FROM sent WHERE promised_day <= $e),
    hours AS (
        SELECT quantile_cont(dispatch, [0.5, 0.9]) AS dispatch, quantile_cont(delivery, [0.5, 0.9]) AS delivery
        FROM sent)
SELECT stars AS "super.star/n", goods AS "super.star/d",
    (SELECT count(*) FROM buyers) AS "super.conversion/n", (SELECT count(*) FROM visitors) AS "super.conversion/d",
    fresh AS "super.novelty/n", total AS "super.novelty/d",
    units AS "super.sell_through/n", available AS "super.sell_through/d",
    gone AS "super.sold_out/n", skus AS "super.sold_out/d",
    kept AS "super.fulfilment/n", due AS "super.fulfilment/d",
    dispatch[1] AS "super.dispatch_hours.median", dispatch[2] AS "super.dispatch_hours.p90",
    delivery[1] AS "super.delivery_hours.median", delivery[2] AS "super.delivery_hours.p90"
FROM shelf, novelty, shelves, promises, hours"""

CONTENTS = """
    SELECT content, format IN (1, 2) AS video,
        CASE WHEN format IN (1, 2) AND duration_s > 0 THEN duration_s * 1000 END AS duration,
        coalesce(list_distinct(products), []) AS carried, spend
    FROM content WHERE brand = $brand
    QUALIFY row_number() OVER (PARTITION BY content ORDER BY updated_at DESC) = 1"""

START = f"""
WITH behaviors AS ({BEHAVIORS}), lines AS ({LINES}), contents AS ({CONTENTS}),
    views AS (
        SELECT consumer, moment, day, content, dwell_ms, coalesce(video, FALSE) AS video,
            coalesce(dwell_ms >= duration * 0.75, FALSE) AS deep,
            coalesce(dwell_ms >= 3000 OR dwell_ms >= duration * 0.25, FALSE) AS reached,
            coalesce(carried, []) AS carried, spend
        FROM behaviors LEFT JOIN contents USING (content)
        WHERE kind IN (3, 4) AND content IS NOT NULL AND day BETWEEN $s AND $e),
    reaches AS (FROM views WHERE reached),
    people AS (
        SELECT count(DISTINCT consumer) AS reach, count(DISTINCT consumer) FILTER (len(carried) > 0) AS carrying,
            count(*) AS reaches, count(*) FILTER (day + 14 <= $e) AS matured
        FROM reaches),
    touched AS (
        SELECT DISTINCT consumer, content FROM behaviors
        WHERE kind IN (15, 16, 17, 7, 9) AND content IS NOT NULL AND day BETWEEN $s AND $e),
    interacted AS (
        SELECT consumer FROM reaches WHERE deep
        UNION
        SELECT consumer FROM reaches SEMI JOIN touched USING (consumer, content)),
    drawn AS (
        SELECT DISTINCT reaches.consumer FROM reaches JOIN behaviors AS act ON act.consumer = reaches.consumer
            AND act.kind IN (9, 10, 19) AND act.moment >= reaches.moment AND act.day - reaches.day < 3 AND act.day <= $e),
    bought AS (
        SELECT "order", line, consumer, product, paid_at, day, net,
            min(paid_at) OVER (PARTITION BY consumer, product) AS first
        FROM lines WHERE quantity > 0),
    carrying AS (
        SELECT consumer, moment, day, content, spend, unnest(carried) AS product FROM reaches WHERE len(carried) > 0),
    interest AS (
        SELECT act.consumer, act.product, act.moment, act.day FROM behaviors AS act
        ANTI JOIN bought ON bought.consumer = act.consumer AND bought.product = act.product AND bought.first < act.moment
        WHERE act.kind IN (5, 7, 8, 6) AND act.product IS NOT NULL AND act.day BETWEEN $s AND $e),
    seeded AS (
        SELECT DISTINCT carrying.consumer FROM carrying JOIN interest ON interest.consumer = carrying.consumer
            AND interest.product = carrying.product AND interest.moment >= carrying.moment
            AND interest.day - carrying.day < 15),
    won AS (
        SELECT bought.consumer, bought.net, carrying.spend,
            epoch_us(bought.paid_at) - epoch_us(carrying.moment) <= 86400000000 AS direct
        FROM bought JOIN carrying ON carrying.consumer = bought.consumer AND carrying.product = bought.product
            AND carrying.moment <= bought.paid_at
            AND (bought.day - carrying.day < 15
                OR epoch_us(bought.paid_at) - epoch_us(carrying.moment) <= 86400000000)
        WHERE bought.day <= $e
        QUALIFY row_number() OVER (PARTITION BY bought."order", bought.line
            ORDER BY carrying.moment DESC, carrying.content DESC) = 1),
    trade AS (
        SELECT count(DISTINCT consumer) FILTER (direct) AS direct, count(DISTINCT consumer) AS assisted,
            coalesce(sum(net) FILTER (direct), 0) AS gmv,
            coalesce(sum(net) FILTER (direct AND spend IS NOT NULL), 0) AS gmv_with_spend
        FROM won),
    spent AS (SELECT sum(spend) AS spend FROM contents SEMI JOIN views USING (content)),
    played AS (
        SELECT count(*) AS plays, count(dwell_ms) AS timed, sum(dwell_ms) / 1000 AS seconds FROM views WHERE video),
    counts AS (
        SELECT (SELECT count(*) FROM interacted) AS interacted, (SELECT count(*) FROM seeded) AS seeded,
            (SELECT count(*) FROM drawn) AS drawn)
SELECT reach AS "start.reach", interacted AS "start.interaction", seeded AS "start.seeding",
    drawn AS "start.traffic", direct AS "start.transaction", assisted AS "start.transaction.assisted",
    interacted AS "start.quality/n", reach AS "start.quality/d",
    seeded AS "start.effect.seeding/n", carrying AS "start.effect.seeding/d",
    drawn AS "start.effect.traffic/n", reach AS "start.effect.traffic/d",
    direct AS "start.effect.transaction/n", carrying AS "start.effect.transaction/d",
    assisted AS "start.effect.assisted/n", carrying AS "start.effect.assisted/d",
    gmv AS "start.gmv", gmv_with_spend AS "start.gmv_per_spend/n", spend AS "start.gmv_per_spend/d",
    matured AS "start.matured/n", reaches AS "start.matured/d", plays AS "start.plays",
    seconds AS "start.watch_time/n", timed AS "start.watch_time/d"
FROM people, trade, spent, played, counts"""

PLUS = f"""
WITH {PEOPLE},
    roles AS (
        SELECT consumer,
            max(role) FILTER (joined < $s AND ("left" IS NULL OR $s - 1 < "left")) AS before,
            max(role) FILTER (joined <= $e AND ("left" IS NULL OR $e < "left")) AS now,
            bool_or(reachable) FILTER (joined <= $e AND ("left" IS NULL OR $e < "left")) AS reachable
        FROM members GROUP BY consumer),
    capital AS (SELECT consumer FROM roles WHERE now IS NOT NULL AND reachable),
    browsers AS (
        SELECT consumer FROM behaviors WHERE kind = {BROWSE} AND day BETWEEN $s AND $e GROUP BY consumer
        HAVING count(DISTINCT day) >= 2),
    acts AS (
        SELECT consumer, venue FROM behaviors WHERE kind IN {ACTIVE} AND day BETWEEN $s AND $e
        UNION ALL
        SELECT consumer, venue FROM behaviors SEMI JOIN browsers USING (consumer)
        WHERE kind = {BROWSE} AND day BETWEEN $s AND $e
        UNION ALL
        SELECT consumer, 0 FROM lines WHERE quantity > 0 AND day BETWEEN $s AND $e),
    active AS (
        SELECT consumer, count(DISTINCT venue) FILTER (venue > 0) AS venues
        FROM acts SEMI JOIN capital USING (consumer) GROUP BY consumer),
    moves AS (
        SELECT count(*) FILTER (before IS NOT NULL AND now > before) AS deeper, count(before) AS before,
            count(*) FILTER (before IS NULL AND now IS NOT NULL) AS recruits,
            count(*) FILTER (before IS NOT NULL AND now IS NULL) AS leavers
        FROM roles),
    sums AS (SELECT count(*) AS people, sum(venues) AS venues FROM active),
    trade AS (
        SELECT coalesce(sum(net), 0) AS net FROM lines SEMI JOIN capital USING (consumer)
        WHERE day BETWEEN $s AND $e),
    total AS (SELECT count(*) AS capital FROM capital)
SELECT capital AS "plus.capital", deeper AS "plus.conversion/n", before AS "plus.conversion/d",
    recruits AS "plus.recruits", leavers AS "plus.leavers",
    people AS "plus.connection/n", capital AS "plus.connection/d",
    venues AS "plus.connection.venues/n", people AS "plus.connection.venues/d",
    net AS "plus.clv/n", capital AS "plus.clv/d"
FROM moves, sums, trade, total"""

SQL = {"aipl": AIPL, "flow": FLOWS, "fast": FAST, "grow": GROW, "super": SUPER, "start": START, "plus": PLUS}

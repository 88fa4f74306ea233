#!/usr/bin/env python3
"""Cut a slice of The Complete Journey that is small enough to be kept with the tests.

    make_slice.py [--keep PERCENT] SRC DST

SRC holds the seven Parquet files; DST gets files of the same names with the same columns and only:

- the products of ten brands (manufacturers),
- a share of the households, chosen by a hash of the household id, so that a smaller share is always
  a subset of a larger one (the default keeps them all: with ten brands that is small enough),
- their order lines of those products, campaign receipts, demographics, and redemptions of coupons
  that cover one of those products,
- the coupon rows of those products, and all campaigns.

The same input gives the same rows in the same order. Needs the PyPI package `duckdb`.
"""

import argparse
import pathlib
import sys

import duckdb

BRANDS = [544, 1208, 103, 764, 317, 673, 1251, 194, 1046, 794]
MAX_BYTES = 3_500_000

# File -> the rows to keep, in a fixed order. `src('x')` reads SRC/x.parquet; kept_household(id) and
# kept_product are defined in main().
FILES = {
    "campaign_descriptions": """
        SELECT * FROM src('campaign_descriptions') ORDER BY campaign_id""",
    "campaigns": """
        SELECT * FROM src('campaigns') WHERE kept_household(household_id)
        ORDER BY campaign_id, household_id""",
    "coupon_redemptions": """
        SELECT * FROM src('coupon_redemptions') r
        WHERE kept_household(household_id)
          AND EXISTS (SELECT 1 FROM src('coupons') c
                      WHERE c.coupon_upc = r.coupon_upc AND c.campaign_id = r.campaign_id
                        AND c.product_id IN (SELECT product_id FROM kept_product))
        ORDER BY redemption_date, household_id, coupon_upc, campaign_id""",
    "coupons": """
        SELECT * FROM src('coupons') WHERE product_id IN (SELECT product_id FROM kept_product)
        ORDER BY campaign_id, coupon_upc, product_id""",
    "demographics": """
        SELECT * FROM src('demographics') WHERE kept_household(household_id)
        ORDER BY household_id""",
    "products": """
        SELECT * FROM src('products') WHERE product_id IN (SELECT product_id FROM kept_product)
        ORDER BY product_id""",
    "transactions": """
        SELECT * FROM src('transactions')
        WHERE kept_household(household_id) AND product_id IN (SELECT product_id FROM kept_product)
        ORDER BY transaction_timestamp, basket_id, product_id""",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=int, default=100, metavar="PERCENT", help="share of households (1-100)")
    parser.add_argument("src", type=pathlib.Path)
    parser.add_argument("dst", type=pathlib.Path)
    options = parser.parse_args()
    if not 1 <= options.keep <= 100:
        parser.error("--keep is from 1 to 100")
    if options.dst.resolve() == options.src.resolve():
        parser.error("DST is SRC")

    con = duckdb.connect()
    con.execute("SET threads = 1")
    con.execute("SET VARIABLE src = ?", [str(options.src)])
    con.execute("CREATE MACRO src(name) AS TABLE "
                "SELECT * FROM read_parquet(getvariable('src') || '/' || name || '.parquet')")
    con.execute("CREATE MACRO kept_household(id) AS "
                "CAST('0x' || substr(md5(CAST(id AS VARCHAR)), 1, 8) AS BIGINT) % 100 < " + str(options.keep))
    con.execute("CREATE TABLE kept_product AS SELECT product_id FROM src('products') "
                "WHERE manufacturer_id IN (" + ", ".join(map(str, BRANDS)) + ")")

    options.dst.mkdir(parents=True, exist_ok=True)
    total = 0
    for name, query in FILES.items():
        path = options.dst / f"{name}.parquet"
        rows = con.execute(
            f"COPY ({query}) TO '{str(path).replace(chr(39), chr(39) * 2)}' "
            "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19)").fetchone()[0]
        size = path.stat().st_size
        total += size
        print(f"{name}.parquet: {rows} rows, {size} bytes")
    print(f"total: {total} bytes")
    if total > MAX_BYTES:
        sys.exit(f"larger than {MAX_BYTES} bytes: choose a smaller --keep")


if __name__ == "__main__":
    main()

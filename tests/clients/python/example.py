"""A brand's first month: facts go in, a metric comes out, audiences are kept.

`python example.py` tells it line by line. PYTHONPATH names the folder that generate.py wrote; mesh.py tells which
variables name the mesh.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

import grpc
from dualwheel.consumer.v1 import (
    audience_pb2,
    audience_service_pb2_grpc,
    consumer_service_pb2_grpc,
    fast_pb2,
    saved_audience_pb2,
)
from dualwheel.facts.v1 import facts_pb2, facts_service_pb2, facts_service_pb2_grpc
from dualwheel.type.v1 import type_pb2
from google.type import date_pb2

from mesh import connect, refusal

FIRST_DAY = date_pb2.Date(year=2026, month=3, day=1)
LAST_DAY = date_pb2.Date(year=2026, month=3, day=31)
MARCH = type_pb2.Window(first_day=FIRST_DAY, last_day=LAST_DAY)
SECONDS = 10
"""Every call has a deadline."""


class Shop:
    """One brand's view of the mesh. Its sequence numbers start with it, so it is a producer of its own."""

    def __init__(self, channel: grpc.Channel, brand: str):
        self.facts = facts_service_pb2_grpc.FactServiceStub(channel)
        self.consumers = consumer_service_pb2_grpc.ConsumerServiceStub(channel)
        self.audiences = audience_service_pb2_grpc.AudienceServiceStub(channel)
        self.brand = brand

    # ---- facts in

    def search(self, consumer: str, when: datetime) -> facts_pb2.Behavior:
        """`consumer` searched for the brand."""
        return facts_pb2.Behavior(
            event_id=f"{self.brand}-{consumer}-{when:%Y%m%d}",
            consumer=consumer,
            brand=self.brand,
            kind=facts_pb2.BEHAVIOR_KIND_SEARCH,
            occurred_at=when,
        )

    def purchase(self, consumer: str, when: datetime, amount: str) -> facts_pb2.OrderLine:
        """`consumer` paid `amount`, decimal text."""
        return facts_pb2.OrderLine(
            order=f"{self.brand}-{consumer}-{when:%Y%m%d}",
            line="1",
            consumer=consumer,
            brand=self.brand,
            product="serum",
            quantity=1,
            paid_amount=amount,
            paid_at=when,
        )

    def batch(self, kind: facts_service_pb2.FactKind, sequence: int, **rows) -> facts_service_pb2.AppendRequest:
        return facts_service_pb2.AppendRequest(
            producer=f"shop-{self.brand}",
            sequence=sequence,
            kind=kind,
            rows=facts_service_pb2.FactRows(**rows),
        )

    def behaviors(self, sequence: int, rows: Iterable[facts_pb2.Behavior]) -> facts_service_pb2.AppendRequest:
        return self.batch(facts_service_pb2.FACT_KIND_BEHAVIOR, sequence, behaviors=rows)

    def orders(self, sequence: int, rows: Iterable[facts_pb2.OrderLine]) -> facts_service_pb2.AppendRequest:
        return self.batch(facts_service_pb2.FACT_KIND_ORDER_LINE, sequence, order_lines=rows)

    def append(self, *batches: facts_service_pb2.AppendRequest) -> list[facts_service_pb2.AppendResponse]:
        """An answer per batch, in order, once it is durable. A batch that was not answered is simply sent again."""
        return list(self.facts.Append(iter(batches), timeout=SECONDS))

    # ---- questions

    def fast(self, pin: type_pb2.DataVersion | None = None) -> fast_pb2.GetFastResponse:
        """FAST of March: as of now, or at the versions of an earlier answer."""
        query = type_pb2.MetricQuery(brand=self.brand, window=MARCH, data_version=pin)
        return self.consumers.GetFast(fast_pb2.GetFastRequest(query=query), timeout=SECONDS)

    def keys(self, expression: str) -> Iterator[str]:
        """Keys of an audience's people, as they stream in."""
        definition = audience_pb2.AudienceDefinition(text=expression)
        request = audience_pb2.ExportAudienceRequest(brand=self.brand, definition=definition, as_of=LAST_DAY)
        for part in self.audiences.ExportAudience(request, timeout=SECONDS):
            yield from part.consumers

    # ---- audiences

    def save(self, name: str, expression: str, request_id: str | None = None) -> saved_audience_pb2.Audience:
        """Saves a live audience. With the same request id, repeating the call is safe."""
        request = saved_audience_pb2.CreateAudienceRequest(
            request_id=request_id or str(uuid.uuid4()),
            audience=saved_audience_pb2.Audience(
                brand=self.brand,
                display_name=name,
                definition=audience_pb2.AudienceDefinition(text=expression),
            ),
        )
        return self.audiences.CreateAudience(request, timeout=SECONDS).audience

    def saved_audiences(self, page_size: int) -> Iterator[list[saved_audience_pb2.Audience]]:
        """The brand's saved audiences, page by page."""
        request = saved_audience_pb2.ListAudiencesRequest(brand=self.brand, page_size=page_size)
        while True:
            page = self.audiences.ListAudiences(request, timeout=SECONDS)
            yield list(page.audiences)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def noon(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 12, tzinfo=timezone.utc)


def metric(answer: fast_pb2.GetFastResponse, id: str) -> type_pb2.Metric:
    return next(metric for metric in answer.metrics if metric.id == id)


def month(shop: Shop) -> tuple[facts_service_pb2.AppendRequest, facts_service_pb2.AppendRequest]:
    """Twenty people search for the brand in February; eight of them buy in March."""
    people = [f"person-{number:02}" for number in range(20)]
    searches = shop.behaviors(1, [shop.search(person, noon(2, 20)) for person in people])
    purchases = shop.orders(1, [shop.purchase(person, noon(3, 10), "99.50") for person in people[:8]])
    return searches, purchases


def main() -> None:
    with connect() as channel:
        shop = Shop(channel, f"brand-{uuid.uuid4()}")
        for answer in shop.append(*month(shop)):
            print(f"{answer.accepted} rows in table version {answer.table_version}")
        advancing = metric(shop.fast(), "fast.advancing")
        interval = advancing.interval
        print(f"{advancing.id} = {advancing.value} in [{interval.low:.3f}, {interval.high:.3f}]")
        print(f"read at {dict(advancing.data_version.tables)}")
        print("buyers:", *shop.keys("purchase(orders, last 31 days)"))
        print("saved:", shop.save("Buyers", "purchase(orders, last 31 days)").name)
        try:
            shop.save("Nobody", "stage(")
        except grpc.RpcError as error:
            print(f"{error.code().name}: {refusal(error)}")


if __name__ == "__main__":
    main()

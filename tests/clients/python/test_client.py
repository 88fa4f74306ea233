"""The example against a live mesh: python -m unittest"""

import unittest
import uuid

import grpc
from dualwheel.consumer.v1 import fast_pb2
from dualwheel.type.v1 import type_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from example import FIRST_DAY, LAST_DAY, MARCH, SECONDS, Shop, metric, month, noon
from mesh import connect, refusal

BUYERS = "purchase(orders, last 31 days)"


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.channel = cls.enterClassContext(connect())

    def setUp(self):
        """A brand of its own for each test."""
        self.shop = Shop(self.channel, f"brand-{uuid.uuid4()}")

    def fails(self, code: grpc.StatusCode, call):
        with self.assertRaises(grpc.RpcError) as failed:
            call()
        self.assertEqual(failed.exception.code(), code, failed.exception.details())
        return failed.exception

    def test_the_mesh_is_serving(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        for service in ("", "dualwheel.consumer.v1.ConsumerService"):
            request = health_pb2.HealthCheckRequest(service=service)
            answer = health.Check(request, timeout=SECONDS, wait_for_ready=True)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_facts_are_appended_once(self):
        searches, purchases = month(self.shop)
        first = self.shop.append(searches, purchases)
        self.assertEqual([(answer.accepted, answer.refused) for answer in first], [(20, 0), (8, 0)])
        [again] = self.shop.append(searches)
        self.assertTrue(again.repeated_batch)
        self.assertEqual((again.accepted, again.table_version), (20, first[0].table_version))

    def test_a_bad_row_is_refused_and_the_good_ones_stay(self):
        good = self.shop.search("person-00", noon(2, 20))
        bad = self.shop.search("", noon(2, 20))
        [answer] = self.shop.append(self.shop.behaviors(1, [good, bad]))
        self.assertEqual((answer.accepted, answer.refused), (1, 1))
        [refused] = answer.refusals
        self.assertEqual((refused.row, refused.field), (1, "consumer"))
        self.assertTrue(refused.reason)

    def test_a_metric_stands_on_its_own(self):
        self.shop.append(*month(self.shop))
        advancing = metric(self.shop.fast(), "fast.advancing")
        self.assertEqual((advancing.numerator.count, advancing.denominator.count), (8, 20))
        self.assertEqual(advancing.value, 0.4)
        self.assertEqual(advancing.interval.method, type_pb2.INTERVAL_METHOD_WILSON)
        self.assertLess(advancing.interval.low, 0.4)
        self.assertGreater(advancing.interval.high, 0.4)
        self.assertIn("behaviors", advancing.data_version.tables)
        # Nobody has a role, and a share of nobody is no zero.
        thriving = metric(self.shop.fast(), "fast.thriving")
        self.assertFalse(thriving.HasField("value"))
        self.assertNotEqual(thriving.absence, type_pb2.ABSENCE_UNSPECIFIED)
        self.assertTrue(thriving.absence_detail)

    def test_a_pinned_question_gets_the_same_bytes(self):
        self.shop.append(*month(self.shop))
        version = metric(self.shop.fast(), "fast.advancing").data_version
        before = self.fast_bytes(version)
        late = self.shop.purchase("person-08", noon(3, 20), "10")
        self.shop.append(self.shop.orders(2, [late]))
        self.assertEqual(metric(self.shop.fast(), "fast.advancing").value, 0.45)
        self.assertEqual(metric(self.shop.fast(version), "fast.advancing").value, 0.4)
        self.assertEqual(self.fast_bytes(version), before)

    def fast_bytes(self, pin: type_pb2.DataVersion) -> bytes:
        """The answer as it came over the wire."""
        ask = self.channel.unary_unary(
            "/dualwheel.consumer.v1.ConsumerService/GetFast",
            request_serializer=fast_pb2.GetFastRequest.SerializeToString,
        )
        query = type_pb2.MetricQuery(brand=self.shop.brand, window=MARCH, data_version=pin)
        return ask(fast_pb2.GetFastRequest(query=query), timeout=SECONDS)

    def test_a_list_comes_page_by_page(self):
        self.shop.append(*month(self.shop))
        names = [self.shop.save(name, BUYERS).name for name in ("First", "Second")]
        pages = list(self.shop.saved_audiences(page_size=1))
        self.assertEqual([[audience.name for audience in page] for page in pages], [[name] for name in names])

    def test_a_repeated_request_gets_the_first_answer(self):
        self.shop.append(*month(self.shop))
        request_id = str(uuid.uuid4())
        first = self.shop.save("Buyers", BUYERS, request_id)
        again = self.shop.save("Buyers", BUYERS, request_id)
        self.assertEqual(again, first)
        self.assertEqual(len(list(self.shop.saved_audiences(page_size=1))), 1)

    def test_a_refusal_names_reason_and_field(self):
        backwards = type_pb2.Window(first_day=LAST_DAY, last_day=FIRST_DAY)
        query = type_pb2.MetricQuery(brand=self.shop.brand, window=backwards)
        ask = lambda: self.shop.consumers.GetFast(fast_pb2.GetFastRequest(query=query), timeout=SECONDS)
        told = refusal(self.fails(grpc.StatusCode.INVALID_ARGUMENT, ask))
        self.assertEqual(told.reason, "INVALID_QUESTION")
        [(field, expected)] = told.fields.items()
        self.assertTrue(field.startswith("query.window"), field)
        print(f"{told.reason}: {field}: {expected}")

    def test_an_unknown_brand_has_a_reason(self):
        told = refusal(self.fails(grpc.StatusCode.NOT_FOUND, self.shop.fast))
        self.assertEqual((told.reason, told.fields), ("BRAND_UNKNOWN", {}))

    def test_a_deadline_ends_a_call(self):
        self.shop.append(*month(self.shop))
        query = type_pb2.MetricQuery(brand=self.shop.brand, window=MARCH)
        ask = lambda: self.shop.consumers.GetFast(fast_pb2.GetFastRequest(query=query), timeout=1e-5)
        self.fails(grpc.StatusCode.DEADLINE_EXCEEDED, ask)

    def test_keys_stream_in_order(self):
        self.shop.append(*month(self.shop))
        self.assertEqual(list(self.shop.keys(BUYERS)), [f"person-{number:02}" for number in range(8)])


if __name__ == "__main__":
    unittest.main()

"""Hand-worked examples: python3 -m unittest, in this folder."""

import math
import random
import unittest

import engagement

UNKNOWN = math.nan
PARAMETERS = {name: default for name, (_, default, _, _) in engagement.PARAMETERS.items()}


def columns(**given):
    return {
        "interactions_30d": [UNKNOWN],
        "followers": [UNKNOWN],
        "followers_rank": [UNKNOWN],
        **{name: [value] for name, value in given.items()},
    }


class Powers(unittest.TestCase):
    def powers(self, **given):
        answers = engagement.score(1, columns(**given), PARAMETERS)
        return answers["content"][0], answers["influence"][0], answers["purchasing"][0]

    def test_by_hand(self):
        powers = self.powers(
            interactions_30d=150.0,  # 150 / 100 = 1.5 a follower: 1.5 / (1.5 + 0.5)
            followers=100.0,
            followers_rank=64.0,  # sqrt(64 * 25)
            match=0.25,
            own_gmv_365d_rank=80.0,
            attributed_gmv_30d_rank=30.0,
        )
        self.assertEqual(powers, (75.0, 40.0, 55.0))

    def test_half_rate_scores_half(self):
        self.assertEqual(self.powers(interactions_30d=50.0, followers=100.0)[0], 50.0)

    def test_what_is_unknown_scores_nothing(self):
        self.assertEqual(self.powers(), (0.0, 0.0, 0.0))
        self.assertEqual(self.powers(interactions_30d=5.0, followers=0.0)[0], 0.0)
        self.assertEqual(self.powers(followers_rank=64.0)[1], 0.0)
        self.assertEqual(self.powers(own_gmv_365d_rank=80.0)[2], 80.0)
        self.assertEqual(self.powers(attributed_gmv_30d_rank=30.0)[2], 30.0)

    def test_names_the_column_that_is_absent(self):
        given = columns()
        del given["followers"]
        with self.assertRaisesRegex(engagement.Refusal, "`followers` was not given"):
            engagement.score(1, given, PARAMETERS)

    def test_powers_are_in_range_and_rows_stand_for_themselves(self):
        numbers = random.Random(7)
        choices = [UNKNOWN, math.inf, -math.inf, 0.0, -1.0, 1e308, 5e-324]
        rows = 200
        given = {
            name: [numbers.choice([*choices, numbers.uniform(0.0, 100.0)]) for _ in range(rows)]
            for name in engagement.COLUMNS
        }
        answers = engagement.score(rows, given, PARAMETERS)
        for row in range(rows):
            alone = engagement.score(1, {name: [values[row]] for name, values in given.items()}, PARAMETERS)
            for name, powers in answers.items():
                self.assertTrue(0.0 <= powers[row] <= 100.0, (name, row))
                self.assertEqual(powers[row], alone[name][0])


class Description(unittest.TestCase):
    def test_parameters_have_their_defaults_within_bounds(self):
        for meaning, default, least, greatest in engagement.PARAMETERS.values():
            self.assertTrue(meaning and least <= default <= greatest)


if __name__ == "__main__":
    unittest.main()

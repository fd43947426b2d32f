"""Sentences that look like published ones: seeded grammar over `vocabulary`, returned as plain text or Typst markup.

Plain text goes through `escape` before it meets Typst; the functions ending in `_markup` return markup already.
"""

from __future__ import annotations

import random
import re

from layoutdeit.corpus import vocabulary as words

_SPECIAL = re.compile(r"([\\#$*_`<>@\[\]~])")


def escape(text: str) -> str:
    """Plain text to Typst markup that shows exactly that text, also at the start of a line."""
    text = _SPECIAL.sub(r"\\\1", text).replace("//", "/\\/").replace("--", "-\\-")
    return "\\" + text if text.startswith(("=", "-", "+", "/")) else text


class Prose:
    """A seeded writer. `manual`: software-manual register instead of an article's."""

    def __init__(self, rng: random.Random, *, manual: bool = False) -> None:
        self.rng = rng
        self.manual = manual
        self.citation = rng.choice(["[{}]", "[{}]", "({})", "author", "super"])

    def noun_phrase(self) -> str:
        """A noun with up to two modifiers, sometimes an "of" phrase."""
        rng = self.rng
        parts = rng.choices(words.MODIFIERS, k=rng.choice([0, 1, 1, 1, 2]))
        if rng.random() < 0.12:
            parts.append(rng.choice(words.ABBREVIATIONS))
        noun = rng.choice(words.NOUNS)
        if rng.random() < 0.3:
            parts.append(rng.choice(words.NOUNS))
        parts.append(_plural(noun) if rng.random() < 0.4 else noun)
        if rng.random() < 0.25:
            parts += ["of", rng.choice(["the", "all", "each", ""]), rng.choice(words.NOUNS)]
        return " ".join(part for part in parts if part)

    def number(self) -> str:
        """A figure as found in results: with unit, spread, percentage or p-value."""
        rng = self.rng
        value = rng.choice([f"{rng.uniform(0, 10):.2f}", f"{rng.uniform(1, 100):.1f}", str(rng.randint(2, 900))])
        return rng.choice(
            [
                f"{value} {rng.choice(words.UNITS)}",
                f"{value} ± {rng.uniform(0.1, 9):.1f} {rng.choice(words.UNITS)}",
                f"{rng.randint(1, 99)}%",
                f"{rng.randint(3, 80)} ({rng.uniform(1, 90):.1f}%)",
                f"(p < 0.0{rng.choice(['1', '5', '01'])})",
                f"(P = {rng.uniform(0.0001, 0.9):.3f})",
                f"(95% CI: {rng.uniform(0.2, 1):.2f}–{rng.uniform(1, 5):.2f})",
                f"n = {rng.randint(3, 400)}",
            ]
        )

    def sentence(self) -> str:
        """One sentence, plain text without citations."""
        rng = self.rng
        subject, verb, adverb = self.noun_phrase(), rng.choice(words.PAST_VERBS), rng.choice(words.ADVERBS)
        first, second = self.noun_phrase(), self.noun_phrase()
        shape = rng.randrange(10)
        if shape == 0:
            body = f"we {adverb} {verb} the {subject} in {first} and {second}"
        elif shape == 1:
            body = f"the {subject} was {adverb} {verb} by {first}, whereas {second} {rng.choice(words.PAST_VERBS)}"
        elif shape == 2:
            body = f"these {first} were {verb} from {rng.randint(3, 900)} {second} using {self.noun_phrase()}"
        elif shape == 3:
            body = f"{subject} {verb} {self.number()} in the {first} and {self.number()} in the {second}"
        elif shape == 4:
            body = f"it has been {verb} that {subject} is {adverb} {rng.choice(words.PAST_VERBS)} with {first}"
        elif shape == 5:
            body = f"there was no {first} between {subject} and {second} {self.number()}"
        elif shape == 6:
            body = f"although {first} {verb} {second}, the {subject} of {rng.choice(words.ORGANISMS)} is not known"
        elif shape == 7:
            body = f"the {first} ({rng.choice(words.ABBREVIATIONS)}) {verb} {adverb} after {self.number()}"
        elif shape == 8:
            body = f"{subject}, {first}, and {second} were {verb} as {rng.choice(words.MODIFIERS)} {self.noun_phrase()}"
        else:
            body = f"our {subject} {verb} that {first} may be {adverb} related to {second}"
        if self.manual and rng.random() < 0.5:
            body = rng.choice(
                [
                    f"you can use the {subject} to configure {first} before the {second} starts",
                    f"select {first} and then click the {rng.choice(words.NOUNS).title()} button",
                    f"if the {first} is not available, the {subject} returns an error",
                    f"for more information about {first}, see “{self.title(4)}” on page {rng.randint(2, 240)}",
                ]
            )
        if rng.random() < 0.22:
            return f"{rng.choice(words.CONNECTIVES)} {body}"
        return body[0].upper() + body[1:]

    def paragraph_markup(self, num_words: int) -> str:
        """Sentences of about `num_words` words altogether, with citations and a few emphasised words."""
        parts, count = [], 0
        while count < num_words:
            sentence = self.sentence()
            count += len(sentence.split())
            parts.append(escape(sentence) + self._citation_markup() + ".")
        text = " ".join(parts)
        if self.rng.random() < 0.3:
            organism = self.rng.choice(words.ORGANISMS)
            text = text.replace(organism, f"#emph[{organism}]")
        return text

    def _citation_markup(self) -> str:
        rng = self.rng
        if self.manual or rng.random() > 0.28:
            return ""
        if rng.random() < 0.15:
            return f" ({rng.choice(['Fig.', 'Figure', 'Table'])} {rng.randint(1, 6)}{rng.choice(['', '', 'a', 'B'])})"
        if self.citation == "author":
            tail = rng.choice([" et al.", f" and {rng.choice(words.SURNAMES)}", ""])
            return f" ({rng.choice(words.SURNAMES)}{tail}, {rng.randint(1978, 2018)})"
        first = rng.randint(1, 60)
        numbers = rng.choice([f"{first}", f"{first}, {first + rng.randint(1, 5)}", f"{first}–{first + 3}"])
        if self.citation == "super":
            return f"#super[{numbers}]"
        return " " + escape(self.citation.format(numbers))

    def title(self, num_words: int) -> str:
        """A headline in sentence case."""
        parts: list[str] = []
        while len(parts) < num_words:
            parts += self.noun_phrase().split() + [self.rng.choice(["in", "and", "of", "for", "with", "on", "by"])]
        text = " ".join(parts[:-1])
        return text[0].upper() + text[1:]

    def person(self) -> str:
        """A full name."""
        middle = self.rng.choice(["", "", f" {self.rng.choice('ABCDEFGHJKLMPRST')}."])
        return f"{self.rng.choice(words.GIVEN_NAMES)}{middle} {self.rng.choice(words.SURNAMES)}"

    def affiliation(self) -> str:
        """Department, university, city."""
        rng = self.rng
        field, city = rng.choice(words.FIELDS), rng.choice(words.CITIES)
        place = rng.choice([f"University of {city.split(',')[0]}", f"{rng.choice(words.SURNAMES)} Medical Center"])
        return f"{rng.choice(['Department of', 'Division of', 'Institute of', 'School of'])} {field}, {place}, {city}"

    def reference(self) -> str:
        """A bibliography entry."""
        rng = self.rng
        people = ", ".join(
            f"{rng.choice(words.SURNAMES)} {rng.choice('ABCDEFGHJKLMNPRSTW')}{rng.choice(['', rng.choice('ABCJM')])}"
            for _ in range(rng.choice([1, 2, 3, 3, 4, 6]))
        )
        journal = rng.choice(["J", "Int J", "Am J", "Eur J", "Br J", "Ann", "Arch", "Clin"]) + " " + _short_field(rng)
        year, volume, page = rng.randint(1975, 2018), rng.randint(1, 400), rng.randint(1, 2900)
        title = self.title(rng.randint(6, 15))
        if rng.random() < 0.5:
            issue = rng.randint(1, 12)
            return f"{people}: {title}. {journal} {year}, {volume}({issue}):{page}–{page + rng.randint(2, 14)}."
        etal = rng.choice([", et al.", "."])
        return f"{people}{etal} {title}. {journal}. {year};{volume}:{page}–{page + rng.randint(2, 14)}."


def _short_field(rng: random.Random) -> str:
    return rng.choice(words.FIELDS).split()[0][: rng.choice([4, 5, 9])]


def _plural(noun: str) -> str:
    if noun.endswith("sis"):
        return noun[:-2] + "es"
    if noun.endswith("y") and noun[-2] not in "aeou":
        return noun[:-1] + "ies"
    return noun if noun.endswith(("a", "ce", "s")) else noun + "s"

"""Sentences out of documentation: what is running text stays, everything else goes."""

from __future__ import annotations

import textwrap

import pytest

from vaebench.data.text.prose import sentences


def read(text: str) -> list[str]:
    return list(sentences(textwrap.dedent(text).strip("\n")))


def test_wrapped_lines_are_joined_and_paragraphs_are_not():
    text = """
        This sentence goes on
        in the next line.  Here is another
        one.

        Is this the third? It is!
    """
    assert read(text) == [
        "This sentence goes on in the next line.",
        "Here is another one.",
        "Is this the third?",
        "It is!",
    ]


def test_a_word_that_was_cut_at_its_hyphen_is_whole_again():
    assert read("On the left-\nhand side.") == ["On the left-hand side."]


@pytest.mark.parametrize("rule", ["****", "====", "----", "~~~~", '""""'])
def test_headings_are_no_sentences(rule):
    assert read(f"Why? What for?\n{rule}\nThis is text.") == ["This is text."]


CODE = {
    "a grammar": '   name ::= letter ["," letter]*',
    "a new grammar": '   name: "if" assignment_expression',
    "a session": "   >>> print(1)\n   Hello.",
    "a traceback": "   Traceback (most recent call last):\n     File '<stdin>', line 1.\n   TypeError: Bad.",
    "a program": '   def f(x):\n       """Return x."""\n       return x',
    "a comment": "   x = 1  # This is a number.",
    "a table": "   | Operator | Meaning.  |\n   +----------+-----------+",
    "a signature": "   object.__init__(self)",
    "a name": "   None",
    "a list of names": '   * "int"\n\n   * "float"',
}


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_what_is_no_running_text_leaves_no_sentence(code):
    around = "Text goes before it:\n\n{}\n\nText comes after it."
    assert read(around.format(code)) == ["Text comes after it."]


@pytest.mark.parametrize(
    "line",
    [
        "Use x = 1 here.",
        'The expression "x[0]" is one.',
        "Call f(x) now.",
        "See os.path for more.",
        "Its name is __init__ there.",
        "A quoted 'x' stands in code.",
        "Wait for it...",
        "Press ^C to stop.",
        "This (is never closed.",
        "it begins small.",
        "It never ends",
        "The following is true:",
        "This is unfinished, e.g.",
    ],
)
def test_a_sentence_with_a_piece_of_code_or_without_an_end_goes(line):
    assert read(line) == []
    assert read(f"{line} \n\nThe next one stays.") == ["The next one stays."]


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ('An "int" is a *number*.', "An int is a number."),
        ('The "not in" and "len()" are **built in**.', "The not in and len are built in."),
        ("It’s a “starred” target.", 'It\'s a "starred" target.'),
        ("It is so [1].", "It is so."),
        ("Note: This is said.", "This is said."),
        ("Changed in version 3.8: It may fail.", "It may fail."),
        ("Deprecated since version 3.9, removed in version 3.12: It fails.", "It fails."),
        ("It knows numbers, e.g. 3.14 (or 7), too.", "It knows numbers, e.g. 3.14 (or 7), too."),
    ],
)
def test_markup_and_labels_are_taken_off(marked, plain):
    assert read(marked) == [plain]


def test_that_something_is_new_is_no_sentence():
    assert read("New in version 3.5.\n\nAdded in version 3.13.\n\nThis is.") == ["This is."]


def test_items_of_lists_are_texts_of_their_own():
    text = """
        Each of these holds:

        * The first item is long
          and wrapped.  It has two sentences.

        * only a fragment

        1. The second list has one.

        [1] This is a footnote.

        Term
           The definition of the term.
    """
    assert read(text) == [
        "The first item is long and wrapped.",
        "It has two sentences.",
        "The second list has one.",
        "This is a footnote.",
        "The definition of the term.",
    ]


def test_an_abbreviation_ends_no_sentence():
    line = "Some have one, i.e. The One, others e.g. Two."
    assert read(line) == [line]

"""A small tokenizer that is a real one: byte-level BPE without merges, so that every text has tokens and comes back."""

from __future__ import annotations

END_OF_TEXT = "<|endoftext|>"


def byte_alphabet() -> list[str]:
    """The 256 characters by which byte-level BPE writes the bytes 0 to 255.

    Printable Latin-1 characters stand for themselves, the others are moved up to U+0100 and on: the mapping of GPT-2.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(moved)) for byte in range(256)]


def tokenizer() -> dict[str, object]:
    """What tokenizer.json holds. Token 0 ends the text, token 1 + b is the byte b."""
    vocabulary = {END_OF_TEXT: 0} | {character: 1 + byte for byte, character in enumerate(byte_alphabet())}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    special = {"id": 0, "content": END_OF_TEXT, "special": True}
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special | plain],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": [],
        },
    }


def tokenizer_config() -> dict[str, object]:
    """What tokenizer_config.json holds."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "model_max_length": 32768,
        "clean_up_tokenization_spaces": False,
    }

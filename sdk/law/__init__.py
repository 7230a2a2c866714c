"""Rules of law and standards, as data, judged over a file that already exists.

    rows = judge(load_market("eu"), gather("apple.png"), as_of=date(2026, 12, 2))

Not legal advice.  The rules are in policies/law/*.toml with their literal quotes; docs/policies/
says what was read and what was not.
"""

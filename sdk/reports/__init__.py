"""The forms in which the outcomes of `sdk verify` leave: lines, SARIF, JUnit, crJSON, a page."""

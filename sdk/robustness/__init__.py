"""The robustness dossier: what a watermark survives, what it costs, how rarely it errs.

Measures any installed watermark on any folder of pictures; `sdk bench watermark` writes the
outcome as JSON and as one page, signed.  Ordinary transforms only: nothing here is made to remove
marks.
"""

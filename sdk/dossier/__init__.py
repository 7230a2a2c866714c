"""The safety dossier: how often a policy's filters catch what they should, and refuse what not.

Measures any labelled file of prompts and any labelled folder of pictures; `sdk bench safety`
writes the outcome as JSON and as one page, signed.
"""

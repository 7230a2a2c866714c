"""Every status code of the engine and of the specification is explained."""

import pytest

from sdk.explain import explained, table

NAMES = """
    algorithm.deprecated algorithm.unsupported assertion.accessible
    assertion.action.ingredientMismatch assertion.action.malformed assertion.action.redacted
    assertion.action.redactionMismatch assertion.bmffHash.malformed assertion.bmffHash.match
    assertion.bmffHash.mismatch assertion.boxesHash.malformed assertion.boxesHash.match
    assertion.boxesHash.mismatch assertion.boxesHash.unknownBox assertion.cbor.invalid
    assertion.cloud-data.actions assertion.cloud-data.hardBinding assertion.cloud-data.malformed
    assertion.collectionHash.incorrectFileCount assertion.collectionHash.invalidURI
    assertion.collectionHash.malformed assertion.collectionHash.match
    assertion.collectionHash.mismatch assertion.dataHash.additionalExclusionsPresent
    assertion.dataHash.malformed assertion.dataHash.match assertion.dataHash.mismatch
    assertion.dataHash.redacted assertion.hashedURI.match assertion.hashedURI.mismatch
    assertion.inaccessible assertion.ingredient.malformed assertion.json.invalid
    assertion.metadata.disallowed assertion.missing assertion.multipleHardBindings
    assertion.notRedacted assertion.outsideManifest assertion.required.missing
    assertion.selfRedacted assertion.timestamp.malformed assertion.undeclared
    cawg.ica.credential_valid cawg.ica.did_unavailable cawg.ica.invalid_alg
    cawg.ica.invalid_content_type cawg.ica.invalid_cose_sign1 cawg.ica.invalid_did_document
    cawg.ica.invalid_issuer cawg.ica.invalid_verifiable_credential cawg.ica.signature_mismatch
    cawg.ica.signer_payload.mismatch cawg.ica.time_stamp.invalid cawg.ica.time_stamp.validated
    cawg.ica.untrusted_issuer cawg.ica.valid_from.invalid cawg.ica.valid_from.missing
    cawg.ica.valid_until.invalid cawg.identity.assertion.duplicate
    cawg.identity.assertion.mismatch cawg.identity.cbor.invalid
    cawg.identity.hard_binding_missing cawg.identity.pad.invalid cawg.identity.sig_type.unknown
    cawg.identity.well-formed cawg.x509.algorithm.unsupported cawg.x509.credential.invalid
    cawg.x509.credential.trusted cawg.x509.credential.untrusted cawg.x509.signature.mismatch
    cawg.x509.signature.outside_validity cawg.x509.signature.validated claim.cbor.invalid
    claim.hardBindings.missing claim.malformed claim.missing claim.multiple
    claim.required.missing claimSignature.insideValidity claimSignature.mismatch
    claimSignature.missing claimSignature.outsideValidity claimSignature.validated general.error
    hashedURI.mismatch hashedURI.missing ingredient.claimSignature.mismatch
    ingredient.claimSignature.missing ingredient.claimSignature.validated
    ingredient.hashedURI.mismatch ingredient.manifest.mismatch ingredient.manifest.missing
    ingredient.manifest.validated ingredient.unknownProvenance manifest.compressed.invalid
    manifest.inaccessible manifest.multipleParents manifest.timestamp.invalid
    manifest.timestamp.wrongParents manifest.unknownProvenance manifest.unreferenced
    manifest.update.invalid manifest.update.wrongParents signingCredential.expired
    signingCredential.invalid signingCredential.ocsp.inaccessible
    signingCredential.ocsp.notRevoked signingCredential.ocsp.revoked
    signingCredential.ocsp.skipped signingCredential.ocsp.unknown signingCredential.trusted
    signingCredential.untrusted timeOfSigning.insideValidity timeStamp.malformed
    timeStamp.mismatch timeStamp.outsideValidity timeStamp.trusted timeStamp.untrusted
    timeStamp.validated
"""
"""c2pa-rs at 24d17555b (after 0.91.3): `validation_results.rs`, and `cawg.…` in `identity/`."""
ENGINE = NAMES.split()


@pytest.mark.parametrize("code", ENGINE)
def test_every_status_code_of_the_engine_is_explained(code: str) -> None:
    about = explained(code)
    assert code in table()
    assert about.means
    assert about.cause
    assert about.do


def test_what_a_code_means_is_said_apart_from_every_other() -> None:
    said = [about.means for code, about in table().items() if not code.endswith("revoked")]
    twice = sorted({text for text in said if said.count(text) > 1})
    assert twice == ["the record of the file's hash was taken out"]  # an old name and a new one


def test_every_sentence_of_the_table_is_whole_and_short() -> None:
    for code, about in table().items():
        for text in (about.means, about.cause, about.do):
            assert 4 <= len(text) <= 120, (code, text)
            assert not text.endswith("."), code
    assert explained("no.such.code").do

"""C2PA's asset rubric for conformance 0.2 and specification 2.4, as checks on manifests."""

"""Proof of fidelity: golden vectors and manifests, compared with what our parts compute."""

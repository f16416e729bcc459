"""Rehearsals: a change of an environment runs in an embedded cloud before it runs on AWS."""

"""AWS Identity and Access Management as it decides: who may do what in the embedded cloud, when enforced."""

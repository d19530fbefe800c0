"""A real OpenSearch node for development and tests, without Docker: jars from Maven, run by a JDK of this machine.

The jars are fetched once into the user's cache folder. A node listens on loopback only and is ended by its pid.
"""

"""Run a real OpenSearch node for development and tests without Docker, from Maven jars and a local JDK.

The jars are downloaded once into the user's cache folder. A node listens only on loopback and is ended by its process
id.
"""

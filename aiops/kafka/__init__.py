"""The service on Kafka: what the messages are, and what each role does with them.

Pure of any framework: `aiops/runners/kafka.py` runs the roles as Faust agents and is the only file that imports it.
"""

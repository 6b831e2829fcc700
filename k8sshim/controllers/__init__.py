"""What makes manifests into pods: workload controllers, Endpoints, scheduling with address management, garbage
collection.

One process and one loop (`loop`): informers feed the objects into `world`, changes put keys into `workqueue`, and for
each key a controller *plans* (a pure function from what is to the writes that are wanted), and the loop has the
writes done by `executor`'s threads. So a controller is a file that can be read and tested without a server.
"""

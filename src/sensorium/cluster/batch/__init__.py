"""Batches on Ray Data: the items of `sensorium.batch`, in actors that hold one loaded model each.

**The pipeline** is a list of weighed groups of items, a pool of actors, and an iterator; nothing else. Ray Data's own
readers and writers are tasks that want a processor each, beside those that the pool holds: on a small machine nothing
is left for them, and the pipeline waits for ever. Here the groups lie in the object store before the pool begins, and
what comes of an item leaves the actor as a message, so that nobody but the pool asks for a processor.

**Back-pressure**: an actor has one group at work and one waiting. Groups are alike in weight (megapixels and seconds);
media are opened in the actor and never go through the object store. The items themselves come in rounds, so that
neither this process nor the store ever holds all of ten million.

**What is done** is known from our own manifest, and not from Ray Data's ``CheckpointConfig``:

- The checkpoint is filtered by an actor that loads all ids, and wants a processor of its own: with an actor pool it
  hangs on two processors, and says no more than "backpressured" (tried with Ray 2.60).
- It notes whole blocks, when Ray Data's writer has written them: if a machine dies, finished items of the blocks that
  it had at work are done again. Our message goes out as soon as an item's files are kept.
- It wants the pipeline to end in a writer of Ray Data, and knows ids, but neither errors nor results.
- The same manifest is read and written by the plain loop: a batch may begin on a laptop and go on on a cluster.

**When an actor dies**, alone or with its machine, Ray gives its groups to another one; that one asks the `Post` which
items are done, and does the others one by one. An item that costs processes on machines that live on is to blame, and
gets its sentence instead of a third try.
"""

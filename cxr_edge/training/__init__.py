"""Training with TensorFlow and Keras: from a data set to a bundle with a model, its figures and its card.

What belongs here: options and presets, augmentation, the stages of a run and their losses, and the bundle that a run
leaves; `network` has the model and its parts. What does not: reading films (`data`, `imaging`), the figures themselves
(`metrics`), conversion (`export`), and comparing many trainings (`studies`).
"""

from cxr_edge.system.native_stderr import quiet_tensorflow_log

# Commands import TensorFlow by `import_tensorflow`, which does this too; a job of a study on a Ray worker has only
# the import of its own module before it.
quiet_tensorflow_log()

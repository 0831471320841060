"""Moving a guest with its images to a node of another zone, whose nodes share another virt-store.

The way between the two stores (route), whether it is free (ground), what goes along it (survey, passage), how that gets
there (lay_out), and what is cleared away at the end where the guest is not (clear).
"""

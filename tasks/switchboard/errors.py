"""What can end an object, a field or a whole delivery (spec automate 3.3)."""

from __future__ import annotations


class AutomateError(Exception):
    """The rules of the datastore do not allow to go on: the delivery ends, what was done so far stands."""


class DatastoreError(AutomateError):
    """A class or an instance is not there: logged, the object is nothing, the next field runs."""


class ClassNotFound(DatastoreError):
    """No domain has the class, or none has the instance or a ``.missing`` for it."""


class InstanceNotFound(DatastoreError):
    """The named domain has the class and lacks both the instance and ``.missing``."""


class InvalidClass(DatastoreError):
    """A datatype that Catchment cannot convert to."""


class StopInstantiation(AutomateError):
    """A method stopped its object: the object is dropped, its parent goes on."""


class AssertionFailure(AutomateError):
    """A guard refused its object: the object is dropped, its parent goes on."""


class AbortInstantiation(AutomateError):
    """A method, or anything inside a built-in one, ended the delivery."""


class ObjectNotFound(AutomateError):
    """A ``${...}`` names an object that is not in the workspace."""


class AttributeNotFound(AutomateError):
    """An assertion reads an attribute that its object does not have."""


class InvalidPathFormat(AutomateError):
    """An address that cannot be read."""


class CyclicalRelationship(AutomateError):
    """An object leads back to itself with the same message."""


class LimitExceeded(AutomateError):
    """A run grew beyond what one event may cause (spec automate D19)."""


class MethodNotFound(AutomateError):
    """No class that was asked has the method, or no built-in has that name."""


class InvalidMethod(AutomateError):
    """A method field holds something other than ``name`` or ``name(key => value, ...)``."""


class MethodParmMissing(AutomateError):
    """A method's input has no argument, no attribute and no default."""


class InvalidCollection(AutomateError):
    """A collect that cannot be read."""

"""The C base class of schema instances: the shortest way from an object to its codec."""

cimport cython
from cpython.object cimport PyObject

from netcode.schema.codec cimport Codec

cdef object CODEC = "_codec"


cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(PyObject *dictionary, object key) except? NULL


cdef extern from *:
    """
    #define NETCODE_TYPE_DICT(type) (((PyTypeObject *)(type))->tp_dict)
    """
    PyObject *type_dict "NETCODE_TYPE_DICT"(object cls) noexcept


cdef Codec codec_of(object cls):
    """The codec of exactly this class."""
    cdef PyObject *codec = PyDict_GetItemWithError(type_dict(cls), CODEC)
    if codec == NULL:
        raise TypeError(f"{cls.__name__} has no fields of its own: encode a class made from it")
    return <Codec?><object>codec


@cython.auto_pickle(False)
cdef class Instance:
    """Base of ``Schema``; holds no data."""

    @cython.binding(False)
    def encode(self):
        """This object as bytes.

        Raises:
            EncodeError: a value does not fit its field, or is not set.
        """
        return codec_of(type(self)).encode_bytes(<PyObject *>self)


@cython.final
@cython.auto_pickle(False)
cdef class ClassCall:
    """An attribute of the metaclass that is found before the attribute of the class.

    ``Ship.encode`` is the codec's own method, without a call in between, and takes any object with
    Ship's attributes; ``ship.encode()`` does not come here.

    Args:
        key: where the class keeps the callable.
        name: of the attribute, for classes that have none (``Schema`` itself).
    """

    cdef object key
    cdef object name

    def __cinit__(self, str key, str name):
        self.key = key
        self.name = name

    def __get__(self, cls, owner):
        cdef PyObject *found
        if cls is None:
            return self
        found = PyDict_GetItemWithError(type_dict(cls), self.key)
        if found != NULL:
            return <object>found
        for base in cls.__mro__:
            if self.name in base.__dict__:
                return base.__dict__[self.name].__get__(None, cls)
        raise AttributeError(self.name)

    def __set__(self, cls, value):
        raise AttributeError(f"{cls.__name__} keeps its codec's {self.name}")

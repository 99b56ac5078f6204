"""The C API on borrowed pointers, for the object path: no reference counting behind its back.

Every function here is declared ``noexcept``: the caller looks at the result and leaves the
exception set.
"""

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int64_t, uint64_t


cdef extern from *:
    """
    #include <structmember.h>

    /* Offset of a __slots__ member, or -1 when reading it directly is not safe or not possible. */
    static inline Py_ssize_t netcode_member_offset(PyObject *descriptor) {
    #if defined(Py_GIL_DISABLED) || defined(PYPY_VERSION)
        (void)descriptor;
        return -1;
    #else
        PyMemberDef *member;
        if (Py_TYPE(descriptor) != &PyMemberDescr_Type) return -1;
        member = ((PyMemberDescrObject *)descriptor)->d_member;
        return member->type == T_OBJECT_EX ? member->offset : -1;
    #endif
    }

    #define NETCODE_SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))

    static inline PyObject *netcode_new(PyTypeObject *type) { return type->tp_alloc(type, 0); }

    /* An exact int: 1 and the value, or 0 when it does not fit in 64 signed bits. */
    static inline int netcode_long(PyObject *o, int64_t *value) {
        int overflow;
    #if PY_VERSION_HEX >= 0x030C0000
        if (PyUnstable_Long_IsCompact((PyLongObject *)o)) {
            *value = PyUnstable_Long_CompactValue((PyLongObject *)o);
            return 1;
        }
    #else
        Py_ssize_t size = Py_SIZE(o);
        if (size >= -1 && size <= 1) {
            *value = (int64_t)size * (size ? (int64_t)((PyLongObject *)o)->ob_digit[0] : 0);
            return 1;
        }
    #endif
        *value = PyLong_AsLongLongAndOverflow(o, &overflow);
        return overflow == 0;
    }

    /* A new reference to item i of a list or tuple, or NULL (no exception) past its end. */
    static inline PyObject *netcode_item(PyObject *o, Py_ssize_t i) {
        PyObject *item = NULL;
        if (PyTuple_Check(o)) {
            if (i < PyTuple_GET_SIZE(o)) item = PyTuple_GET_ITEM(o, i);
            Py_XINCREF(item);
            return item;
        }
    #ifdef Py_GIL_DISABLED
        item = PyList_GetItemRef(o, i);
        if (item == NULL) PyErr_Clear();
        return item;
    #else
        if (i < PyList_GET_SIZE(o)) item = PyList_GET_ITEM(o, i);
        Py_XINCREF(item);
        return item;
    #endif
    }
    static inline Py_ssize_t netcode_length(PyObject *o) {
        return PyTuple_Check(o) ? PyTuple_GET_SIZE(o) : PyList_GET_SIZE(o);
    }

    /* The reference itself, which Cython then owns. */
    #define NETCODE_OWNED(o) (o)

    #if defined(__GNUC__)
    #define NETCODE_UNLIKELY(x) __builtin_expect(!!(x), 0)
    #define NETCODE_LIKELY(x) __builtin_expect(!!(x), 1)
    #else
    #define NETCODE_UNLIKELY(x) (x)
    #define NETCODE_LIKELY(x) (x)
    #endif
    """
    Py_ssize_t member_offset "netcode_member_offset"(object descriptor) noexcept
    PyObject *SLOT "NETCODE_SLOT"(PyObject *o, Py_ssize_t offset) noexcept
    PyObject *new_object "netcode_new"(PyTypeObject *type) noexcept
    bint long_value "netcode_long"(PyObject *o, int64_t *value) noexcept
    PyObject *item_of "netcode_item"(PyObject *o, Py_ssize_t i) noexcept
    Py_ssize_t length_of "netcode_length"(PyObject *o) noexcept
    object owned "NETCODE_OWNED"(PyObject *o)
    bint unlikely "NETCODE_UNLIKELY"(bint x) noexcept nogil
    bint likely "NETCODE_LIKELY"(bint x) noexcept nogil


cdef extern from "Python.h":
    PyObject *Py_None
    PyObject *Py_True
    PyObject *Py_False
    PyTypeObject *Py_TYPE(PyObject *o) noexcept
    bint PyObject_TypeCheck(PyObject *o, PyTypeObject *type) noexcept
    void Py_INCREF(PyObject *o) noexcept
    void Py_DECREF(PyObject *o) noexcept
    void Py_XINCREF(PyObject *o) noexcept
    void Py_XDECREF(PyObject *o) noexcept
    PyObject *PyErr_Occurred() noexcept
    void PyErr_Clear() noexcept
    PyObject *PyObject_GetAttr(PyObject *o, PyObject *name) noexcept
    int PyObject_SetAttr(PyObject *o, PyObject *name, PyObject *value) noexcept
    bint PyLong_Check(PyObject *o) noexcept
    bint PyLong_CheckExact(PyObject *o) noexcept
    PyObject *PyNumber_Index(PyObject *o) noexcept
    PyObject *PyLong_FromLongLong(long long value) noexcept
    PyObject *PyLong_FromUnsignedLongLong(unsigned long long value) noexcept
    unsigned long long PyLong_AsUnsignedLongLong(PyObject *o) noexcept
    bint PyFloat_CheckExact(PyObject *o) noexcept
    double PyFloat_AS_DOUBLE(PyObject *o) noexcept
    double PyFloat_AsDouble(PyObject *o) noexcept
    PyObject *PyFloat_FromDouble(double value) noexcept
    bint PyTuple_CheckExact(PyObject *o) noexcept
    bint PyTuple_Check(PyObject *o) noexcept
    bint PyList_Check(PyObject *o) noexcept
    Py_ssize_t PyTuple_GET_SIZE(PyObject *o) noexcept
    PyObject *PyTuple_GET_ITEM(PyObject *o, Py_ssize_t i) noexcept
    PyObject *PyTuple_New(Py_ssize_t size) noexcept
    void PyTuple_SET_ITEM(PyObject *o, Py_ssize_t i, PyObject *item) noexcept
    PyObject *PySequence_Tuple(PyObject *o) noexcept
    PyObject *PyList_New(Py_ssize_t size) noexcept
    void PyList_SET_ITEM(PyObject *o, Py_ssize_t i, PyObject *item) noexcept
    bint PyUnicode_Check(PyObject *o) noexcept
    const char *PyUnicode_AsUTF8AndSize(PyObject *o, Py_ssize_t *size) noexcept
    PyObject *PyUnicode_DecodeUTF8(const char *s, Py_ssize_t size, const char *errors) noexcept
    bint PyBytes_Check(PyObject *o) noexcept
    char *PyBytes_AS_STRING(PyObject *o) noexcept
    Py_ssize_t PyBytes_GET_SIZE(PyObject *o) noexcept
    PyObject *PyBytes_FromStringAndSize(const char *s, Py_ssize_t size) noexcept
    bint PyObject_CheckBuffer(PyObject *o) noexcept
    PyObject *PyBytes_FromObject(PyObject *o) noexcept
    int PyObject_IsTrue(PyObject *o) noexcept
    bint PyErr_ExceptionMatches(PyObject *type) noexcept
    PyObject *PyExc_AttributeError
    PyObject *PyExc_TypeError
    PyObject *PyExc_OverflowError
    PyObject *PyExc_UnicodeError
    PyObject *PyDict_GetItemWithError(PyObject *o, PyObject *key) noexcept
    PyObject *PyObject_CallOneArg(PyObject *callable, PyObject *argument) noexcept

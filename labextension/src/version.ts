/** The version of the face, which is that of the Python package that brings it. */
export const VERSION = "0.1.0";

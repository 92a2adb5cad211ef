// The types of @msgpack/msgpack name this type of browsers, which Node's types do not have.
type BufferSource = ArrayBuffer | ArrayBufferView;

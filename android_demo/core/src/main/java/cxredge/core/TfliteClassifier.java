package cxredge.core;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.tensorflow.lite.DataType;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;
import org.tensorflow.lite.TensorFlowLite;

/** TensorFlow Lite on the CPU. */
final class TfliteClassifier implements Classifier {
    private static final int[] INPUT_SHAPE = {1, Contract.SIDE_PX, Contract.SIDE_PX, Contract.CHANNELS};

    private final String name;
    private final int threads;
    private final Interpreter interpreter;
    private final List<String> outputs;

    TfliteClassifier(String name, byte[] content, int threads) throws CoreException {
        this.name = name;
        this.threads = threads;
        try {
            Interpreter.Options options = new Interpreter.Options().setNumThreads(threads);
            interpreter = new Interpreter(Engines.direct(content), options);
        } catch (UnsatisfiedLinkError error) {
            throw new CoreException(error, Reason.ENGINE_LIBRARY, "TensorFlow Lite", CoreException.firstLine(error));
        } catch (IllegalArgumentException | IllegalStateException error) {
            throw new CoreException(error, Reason.ENGINE_LOAD, name, CoreException.firstLine(error));
        }
        try {
            checkInput();
            outputs = Outputs.nameTensors(name, describeOutputs());
        } catch (CoreException error) {
            interpreter.close();
            throw error;
        }
    }

    @Override
    public Outputs run(byte[] pixels) throws CoreException {
        Map<Integer, Object> buffers = new HashMap<>();
        List<FloatBuffer> values = new ArrayList<>();
        for (int index = 0; index < outputs.size(); index++) {
            FloatBuffer buffer = FloatBuffer.allocate(interpreter.getOutputTensor(index).numElements());
            buffers.put(index, buffer);
            values.add(buffer);
        }
        ByteBuffer input = Engines.direct(pixels);
        try {
            interpreter.runForMultipleInputsOutputs(new Object[] {input}, buffers);
        } catch (IllegalArgumentException | IllegalStateException error) {
            throw new CoreException(error, Reason.ENGINE_RUN, name, CoreException.firstLine(error));
        }
        Map<String, float[]> found = new LinkedHashMap<>();
        for (int index = 0; index < outputs.size(); index++) {
            found.put(outputs.get(index), values.get(index).array());
        }
        return new Outputs(found);
    }

    @Override
    public String describe() {
        return "TensorFlow Lite " + TensorFlowLite.runtimeVersion() + " x" + threads;
    }

    @Override
    public void close() {
        interpreter.close();
    }

    private void checkInput() throws CoreException {
        Tensor input = interpreter.getInputTensor(0);
        if (interpreter.getInputTensorCount() != 1 || input.dataType() != DataType.UINT8
                || !Arrays.equals(input.shape(), INPUT_SHAPE)) {
            String found = "input " + input.dataType() + " " + Arrays.toString(input.shape());
            throw new CoreException(Reason.ENGINE_CONTRACT, name, found);
        }
    }

    private List<Outputs.Tensor> describeOutputs() {
        List<Outputs.Tensor> found = new ArrayList<>();
        for (int index = 0; index < interpreter.getOutputTensorCount(); index++) {
            Tensor tensor = interpreter.getOutputTensor(index);
            long[] shape = Arrays.stream(tensor.shape()).asLongStream().toArray();
            found.add(new Outputs.Tensor(tensor.name(), tensor.dataType() == DataType.FLOAT32, shape));
        }
        return found;
    }
}

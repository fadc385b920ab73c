package cxredge.core;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** ONNX Runtime on the CPU, with its telemetry off. */
final class OnnxClassifier implements Classifier {
    private static final long[] INPUT_SHAPE = {1, Contract.SIDE_PX, Contract.SIDE_PX, Contract.CHANNELS};

    private final String name;
    private final int threads;
    private final OrtEnvironment environment;
    private final OrtSession session;
    private final List<String> outputs;

    OnnxClassifier(String name, byte[] content, int threads) throws CoreException {
        this.name = name;
        this.threads = threads;
        try {
            environment = OrtEnvironment.getEnvironment();
            // This build has none to send; said all the same, should another one take its place.
            environment.setTelemetry(false);
            OrtSession.SessionOptions options = new OrtSession.SessionOptions();
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            session = environment.createSession(content, options);
        } catch (LinkageError error) {
            throw new CoreException(error, Reason.ENGINE_LIBRARY, "ONNX Runtime", CoreException.firstLine(error));
        } catch (OrtException error) {
            throw new CoreException(error, Reason.ENGINE_LOAD, name, CoreException.firstLine(error));
        }
        try {
            checkInput();
            outputs = Outputs.nameTensors(name, describe(session.getOutputInfo()));
        } catch (OrtException error) {
            close();
            throw new CoreException(error, Reason.ENGINE_LOAD, name, CoreException.firstLine(error));
        } catch (CoreException error) {
            close();
            throw error;
        }
    }

    @Override
    public Outputs run(byte[] pixels) throws CoreException {
        try (OnnxTensor input = OnnxTensor.createTensor(
                        environment, Engines.direct(pixels), INPUT_SHAPE, OnnxJavaType.UINT8);
                OrtSession.Result result = session.run(Collections.singletonMap(Contract.INPUT, input))) {
            Map<String, float[]> found = new LinkedHashMap<>();
            for (int index = 0; index < outputs.size(); index++) {
                FloatBuffer values = ((OnnxTensor) result.get(index)).getFloatBuffer();
                float[] copy = new float[values.remaining()];
                values.get(copy);
                found.put(outputs.get(index), copy);
            }
            return new Outputs(found);
        } catch (OrtException error) {
            throw new CoreException(error, Reason.ENGINE_RUN, name, CoreException.firstLine(error));
        }
    }

    @Override
    public String describe() {
        return "ONNX Runtime " + environment.getVersion() + " x" + threads;
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException error) {
            throw new IllegalStateException("a session is closed once", error);
        }
    }

    private void checkInput() throws OrtException, CoreException {
        Map<String, NodeInfo> inputs = session.getInputInfo();
        NodeInfo input = inputs.get(Contract.INPUT);
        if (inputs.size() != 1 || input == null || !isContract((TensorInfo) input.getInfo())) {
            throw new CoreException(Reason.ENGINE_CONTRACT, name, "input " + inputs.values());
        }
    }

    private static boolean isContract(TensorInfo info) {
        long[] shape = info.getShape();
        boolean fits = info.type == OnnxJavaType.UINT8 && shape.length == INPUT_SHAPE.length;
        for (int axis = 1; fits && axis < shape.length; axis++) {
            fits = shape[axis] == INPUT_SHAPE[axis];
        }
        return fits;
    }

    private static List<Outputs.Tensor> describe(Map<String, NodeInfo> infos) {
        List<Outputs.Tensor> found = new ArrayList<>();
        for (NodeInfo node : infos.values()) {
            TensorInfo info = (TensorInfo) node.getInfo();
            found.add(new Outputs.Tensor(node.getName(), info.type == OnnxJavaType.FLOAT, info.getShape()));
        }
        return found;
    }
}

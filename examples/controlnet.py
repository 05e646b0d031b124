"""The chapter's usage example of ControlNetGenerator."""

from PIL import Image

from sensorium import ControlNetGenerator

# 使用示例
controlnet = ControlNetGenerator()

ref_image = Image.open("person_dancing.jpg")
prompt = "a superhero in the same pose, Marvel style, high quality"
generated, pose = controlnet.generate_with_pose(ref_image, prompt)

# 保存结果
pose.save("pose_map.png")
generated.save("generated.png")

"""The chapter's usage example of ImageQA."""

from PIL import Image

from sensorium import ImageQA

# 使用示例
image_qa = ImageQA()
image = Image.open("scene.jpg")

# 图像描述
caption = image_qa.generate_caption(image)
print(f"Caption: {caption}")

# 问答
questions = [
    "What is in the image?",
    "What color is the car?",
    "How many people are there?",
]

for q in questions:
    answer = image_qa.answer_question(image, q)
    print(f"Q: {q}")
    print(f"A: {answer}\n")

"""The chapter's usage example of TextToImage."""

from PIL import Image

from sensorium import TextToImage

# 使用示例
t2i = TextToImage()

# 示例1: 基础生成
prompt = "A beautiful sunset over mountains, oil painting style, highly detailed"
negative_prompt = "ugly, blurry, low quality"

images = t2i.generate(
    prompt=prompt,
    negative_prompt=negative_prompt,
    num_images=4,
    steps=50,
    guidance_scale=7.5,
    seed=42,
)

for i, img in enumerate(images):
    img.save(f"output_{i}.png")

# 示例2: 图像编辑
init_img = Image.open("photo.jpg")
new_prompt = "Same scene but in winter, snowy"
edited_imgs = t2i.img2img(init_img, new_prompt, strength=0.6)
edited_imgs[0].save("edited.png")
